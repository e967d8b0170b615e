"""What was read from storage, cached for seconds in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

from shared.errors import StorageUnavailableError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Values by key, each read again when it is too old; however many ask at the same time, it is read once.

    Args:
        read: reads a value.
        ttl_seconds: for how long a value is fresh.
        stale_seconds: for how long it serves while storage is out of reach; not at all, left out.
        max_entries: how many are cached, the least recently used ones given up first.
    """

    def __init__(
        self,
        read: Callable[[K], Awaitable[V]],
        *,
        ttl_seconds: float,
        stale_seconds: float = 0.0,
        max_entries: int = 2000,
    ) -> None:
        self._read = read
        self._ttl_seconds = ttl_seconds
        self._stale_seconds = stale_seconds
        self._values: LRUCache[K, tuple[float, V]] = LRUCache(max_entries)
        self._reading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value of this key.

        Raises:
            StorageUnavailableError: it can't be read, and what is cached is too old.
        """
        now = time.monotonic()
        cached = self._values.get(key)
        if cached is not None and now < cached[0] + self._ttl_seconds:
            return cached[1]
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read_anew(key, now))
            task.add_done_callback(_retrieve_error)
        try:
            # Who goes away must not end the read for those who wait with them.
            return await asyncio.shield(task)
        except StorageUnavailableError:
            if cached is not None and now < cached[0] + self._stale_seconds:
                return cached[1]
            raise

    def invalidate(self) -> None:
        """Drops all values, and those that are just being read."""
        self._values.clear()
        self._reading.clear()

    async def _read_anew(self, key: K, now: float) -> V:
        task = asyncio.current_task()
        try:
            value = await self._read(key)
            # What was read before somebody said `invalidate` must not be cached.
            if self._reading.get(key) is task:
                # Its age counts from before the read: what was changed meanwhile may be missing in it.
                self._values[key] = (now, value)
            return value
        finally:
            if self._reading.get(key) is task:
                del self._reading[key]


def _retrieve_error(task: asyncio.Task[Any]) -> None:
    """Everybody may have gone away before it failed; asyncio would complain of an error that nobody has heard."""
    if not task.cancelled():
        task.exception()
