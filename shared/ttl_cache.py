"""What was read from storage, kept for seconds in this process."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from shared.errors import StorageUnavailableError

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, each read again when it is too old; however many ask at the same time, it is read once.

    Args:
        read: reads a value.
        seconds: for how long a value is kept.
        stale_seconds: for how long it serves while storage is out of reach; not at all, left out.
        most: how many are kept, those that were read last.
    """

    def __init__(
        self, read: Callable[[K], Awaitable[V]], *, seconds: float, stale_seconds: float = 0.0, most: int = 2000
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._stale_seconds = stale_seconds
        self._most = most
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._reading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value of this key.

        Raises:
            StorageUnavailableError: it can't be read, and what is kept is too old.
        """
        now = time.monotonic()
        kept = self._values.get(key)
        if kept is not None and now < kept[0] + self._seconds:
            return kept[1]
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read_anew(key, now))
            task.add_done_callback(_take_note)
        try:
            # Who goes away must not end the read for those who wait with them.
            return await asyncio.shield(task)
        except StorageUnavailableError:
            if kept is not None and now < kept[0] + self._stale_seconds:
                return kept[1]
            raise

    def forget(self) -> None:
        """Forgets all values, and those that are just being read."""
        self._values.clear()
        self._reading.clear()

    async def _read_anew(self, key: K, now: float) -> V:
        task = asyncio.current_task()
        try:
            value = await self._read(key)
            # What was read before somebody said `forget` must not be kept.
            if self._reading.get(key) is task:
                # Its age counts from before the read: what was changed meanwhile may be missing in it.
                self._values[key] = (now, value)
                self._values.move_to_end(key)
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
            return value
        finally:
            if self._reading.get(key) is task:
                del self._reading[key]


def _take_note(task: asyncio.Task[Any]) -> None:
    """Everybody may have gone away before it failed; asyncio would complain of an error that nobody has heard."""
    if not task.cancelled():
        task.exception()
