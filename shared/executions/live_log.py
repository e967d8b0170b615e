"""A run's log on its way to storage while the run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.logs.buffer import MAX_BYTES, MAX_LINES, LogBuffer, LogEntry, gap_between
from shared.repositories.executions.log import LARGEST_FLUSH_BYTES

# When the log has grown beyond what is kept of it at the end, each flush takes so much, the newest.
LINES_BEYOND = 100
BYTES_BEYOND = 64 * 1024


class LiveLog:
    """Says which lines are to be stored next.

    Args:
        buffer: the run's log.
        last: sequence number of the last line before the run.
    """

    def __init__(self, buffer: LogBuffer, last: int) -> None:
        self._buffer = buffer
        self._stored = last
        self._lines = 0
        self._bytes = 0

    def next(self) -> Sequence[LogEntry]:
        """The lines that are not stored yet, as far as one flush takes them; none when there is nothing new."""
        lines = self._buffer.fresh(self._stored, LARGEST_FLUSH_BYTES)
        beyond = self._lines + len(lines) > MAX_LINES or self._bytes + _size(lines) > MAX_BYTES
        kept = _newest(lines) if beyond else lines
        return kept if len(kept) == len(lines) else [gap_between(self._stored, kept[0]), *kept]

    def stored(self, lines: Sequence[LogEntry]) -> None:
        """Says that these lines, the last ones given out, are in storage now."""
        if lines:
            self._stored = lines[-1].seq
            self._lines += len(lines)
            self._bytes += _size(lines)


def _newest(lines: Sequence[LogEntry]) -> Sequence[LogEntry]:
    taken = size = 0
    for line in reversed(lines[-LINES_BEYOND:]):
        size += line.size
        if size > BYTES_BEYOND and taken:
            break
        taken += 1
    return lines[len(lines) - taken :]


def as_json(lines: Sequence[LogEntry]) -> list[dict[str, Any]]:
    """The lines as they are stored."""
    return [line.as_json() for line in lines]


def _size(lines: Sequence[LogEntry]) -> int:
    return sum(line.size for line in lines)
