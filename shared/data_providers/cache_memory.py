"""Values by key in this process, the least recently used ones given up first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class MemoryCache(Generic[T]):
    """Values with their sizes. Not for use from several threads.

    Args:
        max_bytes: how much the values may come to, by the sizes given; one that is larger alone is not kept.
        max_entries: how many there may be.
    """

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """What the values come to."""
        return self._bytes

    def get(self, key: str) -> T | None:
        """The value of a key, None without one."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: str, value: T, size: int) -> None:
        """Keeps a value of `size` bytes in the place of the one before."""
        self.remove(key)
        if size > self._max_bytes:
            return
        self._entries[key] = (value, size)
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed

    def remove(self, key: str) -> None:
        """Gives up a key's value, if there is one."""
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= found[1]
