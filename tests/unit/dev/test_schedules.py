"""Schedules of timer triggers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.host.schedules import ScheduleError, schedule_of
from tests.support.moments import moments

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/30 * * * * *", NEW_YEAR, "2026-01-01T00:00:30"),
        ("0 */5 * * * *", NEW_YEAR, "2026-01-01T00:05:00"),
        ("*/5 * * * *", NEW_YEAR, "2026-01-01T00:05:00"),
        ("0 30 9 * * MON-FRI", NEW_YEAR, "2026-01-01T09:30:00"),
        ("0 30 9 * * 6", NEW_YEAR, "2026-01-03T09:30:00"),
        ("0 0 0 1 JAN,JUL *", NEW_YEAR, "2026-07-01T00:00:00"),
        ("15,45 0 0 * * *", NEW_YEAR, "2026-01-01T00:00:15"),
        ("0 0 0 13 * FRI", NEW_YEAR, "2026-02-13T00:00:00"),
        ("0 0 0 29 2 *", NEW_YEAR, "2028-02-29T00:00:00"),
        ("00:05:00", NEW_YEAR, "2026-01-01T00:05:00"),
        ("1.00:00:30", NEW_YEAR, "2026-01-02T00:00:30"),
    ],
)
def test_a_schedule_gives_the_moment_after(text: str, after: datetime, expected: str) -> None:
    assert schedule_of(text)(after) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 fields"),
        ("* * *", "3 fields"),
        ("61 * * * * *", "out of range"),
        ("a b c d e f", "no schedule"),
        ("0 0 0 32 * *", "out of range"),
        ("00:00:00", "no time at all"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        schedule_of(text)


@given(moments(2000, 2090), st.integers(1, 59), st.integers(0, 23))
def test_occurrences_follow_each_other_and_fit(moment: datetime, minute: int, hour: int) -> None:
    daily = schedule_of(f"0 {minute} {hour} * * *")
    first = daily(moment)
    assert timedelta() < first - moment <= timedelta(days=1)
    assert (first.minute, first.hour, first.second) == (minute, hour, 0)
    assert daily(first) - first == timedelta(days=1)
