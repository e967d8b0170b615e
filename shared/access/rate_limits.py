"""How often somebody may call: token buckets, in this process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from cachetools import LRUCache

from shared.errors import TooManyRequestsError

_MAX_BUCKETS = 10_000


class RateLimiter:
    """Buckets by name. Each starts full, with a minute's worth, and fills up evenly.

    Args:
        clock: seconds, which only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Tokens, and when there were so many.
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_MAX_BUCKETS)

    def take(self, name: str, per_minute: int) -> None:
        """Counts a call.

        Args:
            name: whose bucket.
            per_minute: how many calls fit into a minute, from 1 up.

        Raises:
            TooManyRequestsError: the bucket is empty.
        """
        self._buckets[name] = (self.check(name, per_minute) - 1, self._clock())

    def check(self, name: str, per_minute: int) -> float:
        """How many calls the bucket has left; arguments and error as in `take`, and nothing is counted."""
        now = self._clock()
        left, since = self._buckets.get(name, (float(per_minute), now))
        left = min(float(per_minute), left + (now - since) * per_minute / 60)
        if left < 1:
            wait = math.ceil((1 - left) * 60 / per_minute)
            raise TooManyRequestsError(f"At most {per_minute} calls a minute are taken here", retry_after=wait)
        return left

    def give_back(self, name: str) -> None:
        """Takes back that a call was counted."""
        if name in self._buckets:
            left, since = self._buckets[name]
            self._buckets[name] = (left + 1, since)
