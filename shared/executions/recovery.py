"""Recovery: finds the executions that a crash has left behind, and has them run, tried again, or ended.

Two kinds are left behind: those whose worker was lost (the lease ran out), and those that wait for a message that was
never sent. What is done is done on the condition that the record is as it was read, so any number of instances may do
this at the same time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from shared.discovery import ensure_loaded
from shared.executions.lease import LEASE_SECONDS, RENEW_EVERY_SECONDS, last_line_before
from shared.executions.queueing import ExecutionQueue
from shared.executions.retries import retry_wait, wait_for_file
from shared.logs.buffer import LogBuffer, within_bounds
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.registry import RetryPolicy, get_registry
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.rows import UnfinishedExecution
from shared.repositories.executions.store import ExecutionChangedError, ExecutionStore
from shared.storage import MissingError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A lease that has run out is looked at for so long before its worker is taken for lost. A worker that lives has then
# renewed it, even when storage was away for all of them until just now.
CONFIRM_SECONDS = 2 * RENEW_EVERY_SECONDS
# A message is waited for so long, once those sent at its time are no longer in the queue.
UNSENT_AFTER_SECONDS = 30.0
_AT_ONCE = 16


@dataclass(slots=True)
class Recovered:
    """What a look after the executions came to, in numbers of executions.

    Attributes:
        sent: messages sent for records that waited without one.
        retried: lost runs that are tried again.
        failed: lost runs that ended as Failed.
    """

    sent: int = 0
    retried: int = 0
    failed: int = 0


class Recovery:
    """Looks after the executions of all scopes.

    Args:
        store: where they are recorded.
        queue: where they wait for a worker.
    """

    def __init__(self, store: ExecutionStore, queue: ExecutionQueue) -> None:
        self._store = store
        self._queue = queue

    async def recover(self) -> Recovered:
        """Looks once; a look that finds expired leases takes `CONFIRM_SECONDS`.

        Raises:
            StorageUnavailableError: storage is out of reach; the next look will find what this one has not.
        """
        await ensure_loaded()
        recovered = Recovered()
        now = datetime.now(UTC)
        scopes = await self._store.scopes()
        expired = [record for scope in scopes for record in await self._expired(scope, now)]
        if expired:
            await asyncio.sleep(CONFIRM_SECONDS)
            await _each(expired, lambda record: self._end_lost(record, recovered))
        # Last, since without the queue nothing can be sent, and lost runs can be ended all the same.
        oldest_waiting = await self._queue.oldest() or now
        for scope in scopes:
            await self._send_unsent(scope, min(now, oldest_waiting), recovered)
        if recovered != Recovered():
            logger.warning(
                "Recovery: %d messages sent again, %d lost runs to be tried again, %d lost runs ended",
                recovered.sent,
                recovered.retried,
                recovered.failed,
            )
        return recovered

    async def _expired(self, scope: str, now: datetime) -> list[ExecutionRecord]:
        """The records whose lease has run out; each with the ETag that tells whether it was renewed since."""
        began_before = now - timedelta(seconds=LEASE_SECONDS)
        found: list[ExecutionRecord] = []

        async def look(row: UnfinishedExecution) -> None:
            record = await self._read(scope, row.execution_id)
            if record is not None and record.lease_until is not None and record.lease_until < now:
                found.append(record)

        for status in (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING):
            rows = [row async for row in self._store.unfinished(scope, status, began_before)]
            await _each([row for row in rows if row.started_at is None or row.started_at < began_before], look)
        return found

    async def _end_lost(self, record: ExecutionRecord, recovered: Recovered) -> None:
        if _policy_is_out_of_reach(record):
            logger.warning(
                "The worker of execution %s was lost; before it ends or is tried again it waits for its workflow %r: "
                "a file of the workspace could not be loaded",
                record.execution_id,
                record.workflow_name,
                extra=record.log_extra,
            )
            return
        end = await self._lost_end(record)
        policy = _retry_policy(record) if record.status is ExecutionStatus.RUNNING else None
        wait = retry_wait(policy, record, end)
        try:
            if wait is None:
                await self._store.finish(record, end)
                recovered.failed += 1
            else:
                await self._queue.retry(record, end, wait)
                recovered.retried += 1
        except ExecutionChangedError:
            logger.debug(
                "Execution %s is not lost, or was recovered elsewhere", record.execution_id, extra=record.log_extra
            )

    async def _lost_end(self, record: ExecutionRecord) -> ExecutionResult:
        lines = await self._store.lines_so_far(record)
        last = lines[-1]["seq"] if lines else last_line_before(record)
        own = LogBuffer(last=last)
        own.add("error", "The worker was lost; what the run wrote in its last second may be missing here", "engine")
        assert record.lease_until is not None
        return ExecutionResult(
            execution_id=record.execution_id,
            status=ExecutionStatus.FAILED,
            completed_at=datetime.now(UTC),
            error_message=f"The worker that ran {record.workflow_name} was lost",
            error_type="WorkerLost",
            duration_ms=None,
            error_details={"logsIncomplete": True, "leaseExpiredAt": record.lease_until.isoformat()},
            logs=within_bounds([*lines, *own.entries()]),
            progress=record.progress,
        )

    async def _send_unsent(self, scope: str, before: datetime, recovered: Recovered) -> None:
        """Sends what is known not to be sent, and what would have been delivered by now."""
        sent_by = before - timedelta(seconds=UNSENT_AFTER_SECONDS)

        async def send(row: UnfinishedExecution) -> None:
            record = await self._read(scope, row.execution_id)
            # The row may be older than what another instance has done about it.
            if record is None or not (record.is_unsent or (record.due_at or record.created_at) < sent_by):
                return
            try:
                await self._queue.resend(record)
                recovered.sent += 1
            except ExecutionChangedError:
                logger.debug("Execution %s no longer waits", row.execution_id, extra=record.log_extra)

        await _each([row async for row in self._store.unsent(scope)], send)
        waiting = self._store.unfinished(scope, ExecutionStatus.PENDING, sent_by)
        await _each([row async for row in waiting if row.due_at is None or row.due_at < sent_by], send)

    async def _read(self, scope: str, execution_id: str) -> ExecutionRecord | None:
        try:
            return await self._store.get(scope, execution_id)
        except MissingError:
            logger.exception(
                "Execution %s can't be read, and is left as it is",
                execution_id,
                extra={"execution_id": execution_id, "scope": scope},
            )
            return None


def _retry_policy(record: ExecutionRecord) -> RetryPolicy | None:
    """The policy of a run that came from the queue; somebody waited for the others, and has gone."""
    metadata = get_registry().get_workflow(record.workflow_name) if record.is_queued else None
    return metadata.retry_policy if metadata is not None else None


def _policy_is_out_of_reach(record: ExecutionRecord) -> bool:
    """Whether the workflow of a lost run is missing, for a while, since a file that is broken may have it."""
    if record.status is not ExecutionStatus.RUNNING or not record.is_queued or not get_registry().load_errors:
        return False
    return (
        not get_registry().has_workflow(record.workflow_name) and wait_for_file(record, datetime.now(UTC)) is not None
    )


async def _each(items: list[T], work: Callable[[T], Coroutine[Any, Any, None]]) -> None:
    """Does the work for each item, a few at the same time; the first error ends it."""
    for start in range(0, len(items), _AT_ONCE):
        await asyncio.gather(*(work(item) for item in items[start : start + _AT_ONCE]))
