"""The lease of a running execution: renewed while its worker lives, with what is new of its log and its progress.

A renewal is also the ear that hears a request to end the run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.context import collected_by
from shared.errors import StorageUnavailableError
from shared.execution_request import RunControl
from shared.logs.buffer import MAX_BYTES, MAX_LINES, LogBuffer, LogEntry, gap_between
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.repositories.executions.log import LARGEST_FLUSH_BYTES
from shared.repositories.executions.record import ExecutionRecord, new_write_token
from shared.repositories.executions.store import ExecutionChangedError, ExecutionStore

logger = logging.getLogger(__name__)

# A worker that has not renewed its lease for so long is taken for lost.
LEASE_SECONDS = 30.0
# Also how long it takes at most until a run hears that its end was asked for.
RENEW_EVERY_SECONDS = 4.0
# How often new log lines are stored; each time is a storage call, and a worker that dies takes so much with it.
FLUSH_EVERY_SECONDS = 1.0
# Waits between the tries to write something while storage is away; about two minutes in all.
RETRY_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# When the log has grown beyond what is kept of it at the end, each flush takes so much, the newest.
LINES_BEYOND = 100
BYTES_BEYOND = 64 * 1024
_MOST_CONFLICTS = 5
_UNDER_WAY = (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)


def lease_from(now: datetime) -> datetime:
    """Until when a lease taken or renewed now holds."""
    return now + timedelta(seconds=LEASE_SECONDS)


def last_line_before(record: ExecutionRecord) -> int:
    """Sequence number of the last log line of the attempts before the current one; 0 when there is none."""
    return max((line["seq"] for attempt in record.attempts for line in attempt["logs"]), default=0)


class Lease:
    """Holds the record of a run.

    `async with lease:` begins it, and renews it until the block ends: a record that is new is stored as Running, one
    that is Pending is claimed. `end` then writes what the run came to. A run shorter than `FLUSH_EVERY_SECONDS` costs
    nothing here but a timer, nor does one without log lines that is shorter than `RENEW_EVERY_SECONDS`.

    Args:
        store: where the record is.
        record: as read, or to be stored.
        record_after: seconds after which a new record is stored; a run that ends earlier is stored once, with its end.

    Attributes:
        record: as last stored.
        control: of the run: takes its log, whose numbers go on from those of the attempts before, and asks it to end
            when somebody has asked for that or the record was taken away.
    """

    def __init__(self, store: ExecutionStore, record: ExecutionRecord, record_after: float = 0.0) -> None:
        self.record = record
        last = last_line_before(record) if record.attempts else 0
        self.control = RunControl(logs=LogBuffer(last=last))
        self._live_log = LiveLog(self.control.logs, last)
        self._store = store
        self._record_after = record_after if store.is_reachable else 0.0
        self._end_token = new_write_token()
        self._stored_progress: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renew_at = 0.0
        self._flush_at = 0.0
        self._lost = False
        self._released = False

    async def __aenter__(self) -> Self:
        """Begins the lease.

        Raises:
            StorageUnavailableError: storage is out of reach.
            ExecutionChangedError: there is another execution with this id, or another worker was faster.
        """
        if self.record.status is ExecutionStatus.PENDING:
            now = datetime.now(UTC)
            self.record = await self._store.claim(self.record, started_at=now, lease_until=lease_from(now))
        elif not self._record_after:
            self.record = await self._store.create(self.record)
        self._flush_at = time.monotonic()
        self._renew_at = self._flush_at + (self._record_after or RENEW_EVERY_SECONDS)
        if self._record_after:
            self._timer = asyncio.get_running_loop().call_later(self._record_after, self._look)
        else:
            self._look_later()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops renewing, for good even when this wait is cancelled."""
        self._released = True
        if self._timer is not None:
            self._timer.cancel()
        if self._renewal is not None:
            # A last renewal under way is let through, so that its ETag is known.
            (error,) = await asyncio.gather(self._renewal, return_exceptions=True)
            if error is not None:
                logger.error(
                    "A renewal of the lease of %s failed",
                    self.record.execution_id,
                    exc_info=error,
                    extra=self.record.log_extra,
                )

    async def end(self, result: ExecutionResult) -> ExecutionRecord | None:
        """Writes the run's end, after the block.

        Returns:
            The record with its end; None when it is no longer this run's, and the end was dropped.

        Raises:
            StorageUnavailableError: storage is out of reach.
        """
        for _ in range(_MOST_CONFLICTS):
            try:
                ended = self.record.ended(result, self._end_token)
                if self.record.etag is None:
                    self.record = await self._store.create(ended)
                else:
                    self.record = await self._store.transition(self.record, ended)
            except ExecutionChangedError:
                # Somebody asked for the end meanwhile, or the answer to a renewal was lost.
                if not await self._is_still_ours():
                    break
            else:
                return self.record
        logger.warning(
            "Execution %s is no longer this worker's; its end was dropped",
            self.record.execution_id,
            extra=self.record.log_extra,
        )
        return None

    async def end_with_retries(self, result: ExecutionResult) -> ExecutionRecord | None:
        """As `end`, and tries again for about two minutes while storage is out of reach.

        Raises:
            StorageUnavailableError: it still is.
        """
        for wait in RETRY_WAITS_SECONDS:
            try:
                return await self.end(result)
            except StorageUnavailableError:
                await asyncio.sleep(wait)
        return await self.end(result)

    def _look_later(self) -> None:
        # By the clock, so that neither the time of the calls nor that of a busy loop adds up.
        now = time.monotonic()
        every = min(FLUSH_EVERY_SECONDS, RENEW_EVERY_SECONDS)
        self._flush_at = max(self._flush_at + every, now)
        self._timer = asyncio.get_running_loop().call_later(self._flush_at - now, self._look)

    def _look(self) -> None:
        if time.monotonic() >= self._renew_at or self._live_log.next():
            self._renewal = asyncio.create_task(self._renew())
        else:
            self._look_later()

    async def _renew(self) -> None:
        try:
            await self._renew_once()
        except StorageUnavailableError:
            logger.warning(
                "The lease of execution %s can't be renewed: storage is away",
                self.record.execution_id,
                extra=self.record.log_extra,
            )
        finally:
            if not (self._lost or self._released):
                self._look_later()

    async def _renew_once(self) -> None:
        try:
            if self.record.etag is None:
                self.record = await self._store.create(self.record)
            else:
                await self._prolong()
            self._renew_at = time.monotonic() + RENEW_EVERY_SECONDS
        except ExecutionChangedError:
            await self._is_still_ours()

    async def _prolong(self) -> None:
        context = self.control.context
        progress = collected_by(context).progress if context is not None else None
        lines = self._live_log.next()
        self.record = await self._store.renew(
            self.record,
            lease_until=lease_from(datetime.now(UTC)),
            progress=progress if progress is not self._stored_progress else None,
            lines=[line.as_json() for line in lines],
        )
        self._stored_progress = progress
        self._live_log.stored(lines)

    async def _is_still_ours(self) -> bool:
        """Reads what became of the record; a run that was asked to end, or lost its record, is stopped."""
        fresh = await self._store.get(self.record.scope, self.record.execution_id)
        if fresh is None or fresh.attempt != self.record.attempt or fresh.status not in _UNDER_WAY:
            self._lost = True
        else:
            self.record = fresh
        if self._lost or self.record.status is ExecutionStatus.CANCELLING:
            self.control.stop.request()
        return not self._lost


class LiveLog:
    """A run's log on its way to storage while the run goes on: says which lines are to be stored next.

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
        newest = _newest(lines) if beyond else lines
        return newest if len(newest) == len(lines) else [gap_between(self._stored, newest[0]), *newest]

    def stored(self, lines: Sequence[LogEntry]) -> None:
        """Says that these lines, the last ones given, are in storage now."""
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


def _size(lines: Sequence[LogEntry]) -> int:
    return sum(line.size for line in lines)
