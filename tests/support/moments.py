"""Moments of time for property tests."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st


def moments(first_year: int = 1970, last_year: int = 9998) -> st.SearchStrategy[datetime]:
    """Moments in UTC from the beginning of one year to the end of another."""
    start = datetime(first_year, 1, 1)  # noqa: DTZ001 - hypothesis takes bounds without a time zone
    end = datetime(last_year, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
    return st.datetimes(start, end, timezones=st.just(UTC))
