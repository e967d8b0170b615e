"""The lease of a running execution: renewed while its worker lives, with what is new of its log and its progress.

A renewal is also the ear that hears a request to end the run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.context import ExecutionContext, notes_of
from shared.errors import StorageUnavailableError
from shared.executions.live_log import LiveLog, as_json
from shared.logs.buffer import LogBuffer
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.record import ExecutionEnd, ExecutionRecord
from shared.repositories.executions.store import ExecutionChangedError, ExecutionRepository
from shared.runtime.calls import StopSignal

logger = logging.getLogger(__name__)

# A worker that has not renewed its lease for so long is taken for lost.
LEASE_SECONDS = 30.0
# Also how long it takes at most until a run hears that its end was asked for.
RENEW_EVERY_SECONDS = 4.0
# How often new log lines are stored; each time is a storage call, and a worker that dies takes so much with it.
FLUSH_EVERY_SECONDS = 1.0
# Waits between the tries to write something while storage is away; about two minutes in all.
BACKGROUND_WAITS_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_MOST_CONFLICTS = 5
_UNDER_WAY = (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING)


def lease_from(now: datetime) -> datetime:
    """Until when a lease taken or renewed now holds."""
    return now + timedelta(seconds=LEASE_SECONDS)


def last_line_before(record: ExecutionRecord) -> int:
    """Sequence number of the last log line of the attempts before the current one; 0 when there is none."""
    return max((line["seq"] for attempt in record.attempts for line in attempt["logs"]), default=0)


class Lease:
    """Holds a record that is Running.

    A run shorter than `FLUSH_EVERY_SECONDS` costs nothing here but a timer, nor does one without log lines that is
    shorter than `RENEW_EVERY_SECONDS`.

    Args:
        executions: where the record is.
        record: as stored, or to be stored by `begin` or `hold`.

    Attributes:
        record: as last stored.
        logs: takes the run's log, whose numbers go on from those of the attempts before.
        stop: asks the run to end, when somebody has asked for it or the record was taken away.
    """

    def __init__(self, executions: ExecutionRepository, record: ExecutionRecord) -> None:
        self.record = record
        self.stop = StopSignal()
        last = last_line_before(record)
        self.logs = LogBuffer(last=last)
        self._live = LiveLog(self.logs, last)
        self._executions = executions
        self._context: ExecutionContext | None = None
        self._shown_progress: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renew_at = 0.0
        self._flush_at = 0.0
        self._lost = False
        self._released = False

    async def begin(self) -> None:
        """Stores the record of a run that is to begin.

        Raises:
            StorageUnavailableError: storage is out of reach.
            ExecutionChangedError: there is another execution with this id.
        """
        self.record = await self._executions.create(self.record)

    def hold(self, record_after: float = 0.0) -> None:
        """Begins to renew the lease.

        Args:
            record_after: seconds after which a record that is not stored yet will be; a run that ends earlier is
                stored once, with its end.
        """
        now = time.monotonic()
        self._renew_at = now + (record_after or RENEW_EVERY_SECONDS)
        self._flush_at = now
        if record_after:
            self._timer = asyncio.get_running_loop().call_later(record_after, self._look)
        else:
            self._look_later()

    def _look_later(self) -> None:
        # By the clock, so that neither the time of the calls nor that of a busy loop adds up.
        now = time.monotonic()
        every = min(FLUSH_EVERY_SECONDS, RENEW_EVERY_SECONDS)
        self._flush_at = max(self._flush_at + every, now)
        self._timer = asyncio.get_running_loop().call_later(self._flush_at - now, self._look)

    def _look(self) -> None:
        if time.monotonic() >= self._renew_at or self._live.next():
            self._renewal = asyncio.create_task(self._renew())
        else:
            self._look_later()

    def watch(self, context: ExecutionContext) -> None:
        """Takes the progress that the run reports along with each renewal."""
        self._context = context

    async def release(self) -> None:
        """Stops renewing, for good even when this wait is cancelled."""
        self._released = True
        if self._timer is not None:
            self._timer.cancel()
        if self._renewal is not None:
            # A last renewal under way is let through, so that its ETag is known.
            (error,) = await asyncio.gather(self._renewal, return_exceptions=True)
            if error is not None:
                logger.error("A renewal of the lease of %s failed", self.record.execution_id, exc_info=error)

    async def _renew(self) -> None:
        try:
            await self._renew_once()
        except StorageUnavailableError:
            logger.warning("The lease of execution %s can't be renewed: storage is away", self.record.execution_id)
        finally:
            if not (self._lost or self._released):
                self._look_later()

    async def _renew_once(self) -> None:
        try:
            await (self.begin() if self.record.etag is None else self._prolong())
            self._renew_at = time.monotonic() + RENEW_EVERY_SECONDS
        except ExecutionChangedError:
            await self._find_out()

    async def _prolong(self) -> None:
        progress = notes_of(self._context).progress if self._context is not None else None
        lines = self._live.next()
        self.record = await self._executions.renew(
            self.record,
            lease_until=lease_from(datetime.now(UTC)),
            progress=progress if progress is not self._shown_progress else None,
            lines=as_json(lines),
        )
        self._shown_progress = progress
        self._live.stored(lines)

    async def _find_out(self) -> bool:
        """Reads what became of the record; whether it is still this run's."""
        fresh = await self._executions.get(self.record.scope, self.record.execution_id)
        if fresh is None or fresh.attempt != self.record.attempt or fresh.status not in _UNDER_WAY:
            self._lost = True
        else:
            self.record = fresh
        if self._lost or self.record.status is ExecutionStatus.CANCELLING:
            self.stop.request()
        return not self._lost

    async def finish(self, end: ExecutionEnd) -> ExecutionRecord | None:
        """Writes the run's end; call `release` first.

        Returns:
            The record with its end; None when it is no longer this run's, and the end was dropped.

        Raises:
            StorageUnavailableError: storage is out of reach.
        """
        for _ in range(_MOST_CONFLICTS):
            try:
                if self.record.etag is None:
                    self.record = await self._executions.create(end.of(self.record))
                else:
                    self.record = await self._executions.finish(self.record, end)
            except ExecutionChangedError:
                # Somebody asked for the end meanwhile, or the answer to a renewal was lost.
                if not await self._find_out():
                    break
            else:
                return self.record
        logger.warning("Execution %s is no longer this worker's; its end was dropped", self.record.execution_id)
        return None

    async def finish_patiently(self, end: ExecutionEnd) -> ExecutionRecord | None:
        """As `finish`, and tries again for about two minutes while storage is out of reach.

        Raises:
            StorageUnavailableError: it still is.
        """
        for wait in BACKGROUND_WAITS_SECONDS:
            try:
                return await self.finish(end)
            except StorageUnavailableError:
                await asyncio.sleep(wait)
        return await self.finish(end)
