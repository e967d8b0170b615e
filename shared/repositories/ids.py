"""Execution ids: UUIDs of version 7, which sort by the time they were made.

https://www.rfc-editor.org/rfc/rfc9562.html#section-5.7: 48 bits of Unix milliseconds, then 12 bits that hold the
fraction of the millisecond (section 6.2, method 3), then 62 random bits.
"""

from __future__ import annotations

import re
import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LAST_TICK = (1 << 60) - 1
# A clock that is set back by more than this is believed; by less, ids go on from the last one.
_SMALL_STEP_BACK = 10_000 << 12


class IdGenerator:
    """Makes ids of which each sorts after the one before; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = -1

    def new(self, now: datetime) -> str:
        """A new id for this moment (with a time zone), as canonical text."""
        tick = tick_of(now)
        with self._lock:
            if self._last - _SMALL_STEP_BACK < tick <= self._last:
                tick = self._last + 1
            self._last = tick
        number = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=number))


_generator = IdGenerator()


def new_execution_id(now: datetime) -> str:
    """A new id for this moment (with a time zone), after all that this process has made in the last ten seconds."""
    return _generator.new(now)


def parse_execution_id(text: str) -> str | None:
    """The id, if the text is one in canonical lower-case form; else None."""
    return text if _CANONICAL.fullmatch(text) else None


def tick_of(moment: datetime) -> int:
    """The moment (with a time zone) as ids count time: 1/4096 of a millisecond since 1970, from 0 up to 2^60 - 1."""
    return _tick((moment - _EPOCH) // _MICROSECOND)


def tick_after(moment: datetime) -> int:
    """The first tick that is no longer in the moment's microsecond."""
    return _tick((moment - _EPOCH) // _MICROSECOND + 1)


def tick_of_id(execution_id: str) -> int:
    """The moment in an id, see `tick_of`."""
    bits = uuid.UUID(execution_id).int >> 64
    return (bits >> 16) << 12 | bits & 0xFFF


def _tick(microseconds: int) -> int:
    milliseconds, rest = divmod(microseconds, 1000)
    # Rounded up, so that rounding down gives the microsecond back.
    return min(max((milliseconds << 12) + -(-rest * 4096 // 1000), 0), LAST_TICK)
