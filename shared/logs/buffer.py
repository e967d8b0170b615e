"""The log of one execution while it runs: bounded, in order, open to every thread of the run."""

from __future__ import annotations

import codecs
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.logs.masking import NOTHING_SECRET, SecretMask
from shared.serialization import to_json

MAX_LINES = 10_000
MAX_BYTES = 5 * 1024 * 1024
MAX_LINE_CHARACTERS = 256 * 1024
# Of these as much as may be noise: what libraries say that is no warning.
NOISE_LINES = MAX_LINES // 5
NOISE_BYTES = MAX_BYTES // 5
# What an entry costs besides its text, about: the keys and the time, as JSON.
_ENTRY_BYTES = 120
# A line that has its number is added at once, unless its thread waits for its turn, or died just then.
_IN_FLIGHT_SECONDS = 1.0


class LogEntry(NamedTuple):
    """One line. `seq` counts from 1 in the order in which lines were written; `created` is seconds since the epoch."""

    seq: int
    created: float
    level: str
    message: str
    source: str
    logger: str | None
    data: dict[str, Any] | None
    size: int

    def as_json(self) -> dict[str, Any]:
        """The entry as the API shows it."""
        return {
            "seq": self.seq,
            "timestamp": datetime.fromtimestamp(self.created, UTC).isoformat(timespec="microseconds"),
            "level": self.level,
            "message": self.message,
            "source": self.source,
            "logger": self.logger,
            "data": self.data,
        }


class LogBuffer:
    """Keeps the first and the last lines of a run, up to `MAX_LINES` and `MAX_BYTES`, half for each.

    Noise is kept up to a fifth of both, its first lines, and makes room for the others. What comes after that gets no
    number, and is counted in a last line.

    No lock guards it: appending to a deque and counting up are atomic, and a thread that is being stopped could die
    holding one. Threads that write at the very same moment may pass the bounds by a line each.

    Args:
        max_lines, max_bytes: the bounds.
        last: sequence number of the last line of the attempts before, which this log continues.

    Attributes:
        mask: takes secrets out of each line when it is added.
        closed: whether the run has ended.
    """

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES, *, last: int = 0) -> None:
        self._head: deque[LogEntry] = deque()
        self._tail: deque[LogEntry] = deque()
        self._half_lines = max(1, max_lines // 2)
        self._half_bytes = max_bytes // 2
        self._head_bytes = 0
        self._tail_bytes = 0
        self._head_full = False
        self._last_before = last
        self._sequence = itertools.count(last + 1)
        # The other lines that were left out: sequence numbers of the first and of the last. They lie side by side.
        self._left_out = (last + 1, last)
        self._noise: deque[LogEntry] = deque()
        self._noise_bytes = 0
        self._max_noise = (max_lines * NOISE_LINES // MAX_LINES, max_bytes * NOISE_BYTES // MAX_BYTES)
        self._max = (max_lines, max_bytes)
        self._noise_left_out = self._last_noise_left_out = 0
        self._partial: dict[tuple[str, int], str] = {}
        self._decoders: dict[tuple[str, int], codecs.IncrementalDecoder] = {}
        self.closed = False
        self.late_lines = 0
        self.mask: SecretMask = NOTHING_SECRET

    def add(
        self,
        level: str,
        message: str,
        source: str,
        *,
        logger: str | None = None,
        data: dict[str, Any] | None = None,
        created: float | None = None,
        is_noise: bool = False,
    ) -> None:
        """Adds a line; after `close` it is only counted, in `late_lines`.

        Args:
            level: debug, info, warning, error or critical.
            message: the text; beyond `MAX_LINE_CHARACTERS` it is cut, and says so.
            source: logger, stdout, stderr, context or engine.
            logger: the logger's name.
            data: anything; made JSON here, since the caller may change it later.
            created: seconds since the epoch; left out, now.
            is_noise: whether it is the first to go where there is too much.
        """
        if self.closed:
            self.late_lines += 1
            return
        if is_noise and not self._has_room_for_noise():
            self._noise_left_out += 1
            return
        if not self.mask.empty:
            message = self.mask.text(message)
        if len(message) > MAX_LINE_CHARACTERS:
            left_out = len(message) - MAX_LINE_CHARACTERS
            message = f"{message[:MAX_LINE_CHARACTERS]}… ({left_out} characters left out)"
        size = _ENTRY_BYTES + len(message)
        if not message.isascii():
            encoded = message.encode("utf-8", "backslashreplace")
            message, size = encoded.decode("utf-8"), _ENTRY_BYTES + len(encoded)
        if data is not None:
            data = to_json(data, max_bytes=MAX_LINE_CHARACTERS)
            if not self.mask.empty:
                data = self.mask.json(data)
            size += len(json.dumps(data))
        entry = LogEntry(next(self._sequence), created or time.time(), level, message, source, logger, data, size)
        if is_noise:
            self._noise.append(entry)
            self._noise_bytes += size
            return
        if self._noise:
            self._make_room()
        if not self._head_full:
            if len(self._head) < self._half_lines and self._head_bytes + size <= self._half_bytes:
                self._head.append(entry)
                self._head_bytes += size
                return
            self._head_full = True
        self._tail.append(entry)
        self._tail_bytes += size
        while len(self._tail) > self._half_lines or (self._tail_bytes > self._half_bytes and len(self._tail) > 1):
            try:
                dropped = self._tail.popleft()
            except IndexError:  # another thread was quicker
                break
            self._tail_bytes -= dropped.size
            first, last = self._left_out
            self._left_out = (first if last >= first else dropped.seq, max(last, dropped.seq))

    def _has_room_for_noise(self) -> bool:
        if len(self._noise) >= self._max_noise[0] or self._noise_bytes >= self._max_noise[1]:
            return False
        return not self._is_full()

    def _is_full(self) -> bool:
        return (
            len(self._head) + len(self._tail) + len(self._noise) >= self._max[0]
            or self._head_bytes + self._tail_bytes + self._noise_bytes >= self._max[1]
        )

    def _make_room(self) -> None:
        """Drops noise, the last of it first, as far as the other lines need its place."""
        while self._is_full():
            try:
                dropped = self._noise.pop()
            except IndexError:  # all of it is gone
                break
            self._noise_bytes -= dropped.size
            self._noise_left_out += 1
            self._last_noise_left_out = max(self._last_noise_left_out, dropped.seq)

    def write(self, source: str, text: str) -> None:
        """Takes text as a stream does: a newline ends a line, a carriage return overwrites what stands before it."""
        key = (source, threading.get_ident())
        text = self._partial.pop(key, "") + text
        *lines, rest = text.split("\n")
        for line in lines:
            self._add_printed(source, line)
        if len(rest) > MAX_LINE_CHARACTERS:
            self._add_printed(source, rest)
        elif rest:
            # Of a bar that is drawn again and again only the last state counts; a return at the very end may belong
            # to the newline that follows.
            self._partial[key] = rest if "\r" not in rest else rest[max(rest.rfind("\r", 0, len(rest) - 1), 0) :]

    def write_bytes(self, source: str, content: bytes) -> None:
        """Takes bytes as a stream does, as UTF-8; a character may come in parts."""
        key = (source, threading.get_ident())
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = _UTF8("backslashreplace")
        text = decoder.decode(content)
        if text:
            self.write(source, text)

    def close(self) -> None:
        """Ends the log: lines without an end are taken, and what comes later is counted and dropped."""
        for (source, _), rest in list(self._partial.items()):
            self._add_printed(source, rest)
        self._partial.clear()
        if self._noise_left_out:
            # For the line that tells of it, too, so that the number is right.
            self._make_room()
            message = f"{self._noise_left_out} further lines of libraries were left out"
            self.add("info", message, "engine", data={"libraryLinesLeftOut": self._noise_left_out})
        self.closed = True

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """The lines kept, in order; where lines were left out, an entry in their place names their sequence numbers.

        Args:
            after: only lines with a greater sequence number.
        """
        lines: list[dict[str, Any]] = []
        last = self._last_before
        for entry in self._kept():
            if last >= after and self._has_left_out(last, entry):
                lines.append(gap_between(last, entry).as_json())
            last = entry.seq
            if entry.seq > after:
                lines.append(entry.as_json())
        return lines

    def fresh(self, after: int, max_bytes: int) -> list[LogEntry]:
        """The lines after `after`, in order, for one who reads along with the run: each is returned once.

        Where lines were left out meanwhile, an entry in their place names their sequence numbers. It stops before a
        line that another thread is about to add.

        Args:
            after: sequence number of the last line that was taken, or `last`.
            max_bytes: after how much to stop; the rest is for the next call.
        """
        lines: list[LogEntry] = []
        if not any(kept and kept[-1].seq > after for kept in (self._tail, self._head, self._noise)):
            return lines
        settled = time.time() - _IN_FLIGHT_SECONDS
        size = 0
        for entry in self._kept():
            if entry.seq <= after:
                continue
            if entry.seq > after + 1:
                left_out = self._has_left_out(after, entry)
                is_known = left_out or entry.seq - 1 <= self._last_noise_left_out
                if not is_known and entry.created > settled:
                    break
                if left_out or not is_known:
                    lines.append(gap_between(after, entry))
            lines.append(entry)
            after = entry.seq
            size += entry.size
            if size >= max_bytes:
                break
        return lines

    def _has_left_out(self, last: int, following: LogEntry) -> bool:
        """Whether lines were left out between two that are kept; noise among them counts for the last entry alone."""
        first_left_out, last_left_out = self._left_out
        is_hole = last + 1 < following.seq and first_left_out <= last_left_out
        return is_hole and last < last_left_out and first_left_out < following.seq

    def _kept(self) -> list[LogEntry]:
        return sorted((*self._head.copy(), *self._tail.copy(), *self._noise.copy()))

    def _add_printed(self, source: str, line: str) -> None:
        line = line.removesuffix("\r").rpartition("\r")[2]
        self.add("info" if source == "stdout" else "error", line, source)


_UTF8 = codecs.getincrementaldecoder("utf-8")


def within_bounds(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is kept of a log that was stored in pieces: its first and its last lines, and an entry for those between.

    Args:
        lines: as `entries` gives them.
    """
    head = lines[: _fitting(lines)]
    tail = lines[len(head) :]
    tail = tail[len(tail) - _fitting(tail[::-1]) :]
    if len(head) + len(tail) == len(lines):
        return list(lines)
    # An entry that stands for a gap already goes into the larger one.
    while len(tail) > 1 and "firstLeftOut" in (tail[0]["data"] or {}):
        tail = tail[1:]
    created = datetime.fromisoformat(tail[0]["timestamp"]).timestamp()
    return [*head, _gap(head[-1]["seq"], tail[0]["seq"], created).as_json(), *tail]


def _fitting(lines: Sequence[dict[str, Any]]) -> int:
    """How many lines, from the first on, fit into half of what is kept; one at least."""
    size = 0
    for number, line in enumerate(lines):
        size += _ENTRY_BYTES + len(line["message"].encode()) + (len(json.dumps(line["data"])) if line["data"] else 0)
        if number and (number == MAX_LINES // 2 or size > MAX_BYTES // 2):
            return number
    return len(lines)


def gap_between(last: int, following: LogEntry) -> LogEntry:
    """The entry that stands for the lines left out after the one numbered `last` and before `following`."""
    return _gap(last, following.seq, following.created)


def _gap(last: int, following: int, created: float) -> LogEntry:
    first_left_out, last_left_out = last + 1, following - 1
    count = last_left_out - last
    message = f"{count} lines were left out here: sequence numbers {first_left_out} to {last_left_out}"
    data = {"firstLeftOut": first_left_out, "lastLeftOut": last_left_out}
    return LogEntry(last_left_out, created, "warning", message, "engine", None, data, 0)
