"""Rate limits: a minute's worth at once, evenly filled up."""

from __future__ import annotations

import pytest

from shared.access.rate_limits import RateLimiter
from shared.errors import TooManyRequestsError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_passes_and_the_next_is_told_when_to_come_again():
    clock = Clock()
    rates = RateLimiter(clock)
    for _ in range(60):
        rates.take("one", 60)
    with pytest.raises(TooManyRequestsError) as caught:
        rates.take("one", 60)
    assert caught.value.headers == {"Retry-After": "1"}
    rates.take("two", 60)
    clock.now += 1.0
    rates.take("one", 60)
    with pytest.raises(TooManyRequestsError):
        rates.take("one", 60)


def test_a_slow_rate_names_the_seconds_until_the_next_call():
    rates = RateLimiter(Clock())
    rates.take("one", 1)
    with pytest.raises(TooManyRequestsError) as caught:
        rates.take("one", 1)
    assert caught.value.retry_after == 60


def test_a_rest_gives_no_more_than_a_minutes_worth():
    clock = Clock()
    rates = RateLimiter(clock)
    rates.take("one", 2)
    clock.now += 3600
    rates.take("one", 2)
    rates.take("one", 2)
    with pytest.raises(TooManyRequestsError):
        rates.take("one", 2)
