"""What happens around a run: it is recorded and run, or enqueued, and later claimed by a worker, run and ended."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.context import Caller, Organization
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, ExecutionResult, PreparedExecution, prepare, refused, run
from shared.errors import ConflictError, FunctionNotFoundError, InvalidInputError, StorageUnavailableError
from shared.leases import Lease, lease_from
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.queue_messages import EXECUTION_QUEUE, QueueMessage, message_of, read_message
from shared.registry import WORKFLOW
from shared.repositories.executions import ExecutionChangedError, ExecutionRepository
from shared.repositories.records import ExecutionEnd, ExecutionRecord
from shared.retries import next_attempt, retry_wait
from shared.serialization import result_type, to_json
from shared.settings import HTTP_RUN_LIMIT_SECONDS
from shared.storage import Queue, Storage, count_storage_calls, get_storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a request.

    Attributes:
        record: the execution as it stands now; for a transient run, as it would have been recorded.
        result: what the run came to; None while it waits for a worker.
        recorded: whether the record says what `record` says. False when storage went away during the run: then the
            record is written as soon as storage is back.
    """

    record: ExecutionRecord
    result: ExecutionResult | None = None
    recorded: bool = True


class Executor:
    """Submits, queues and runs executions.

    Args:
        executions: where they are recorded.
        queue: the queue `workflow-executions`.
    """

    def __init__(self, executions: ExecutionRepository, queue: Queue) -> None:
        self._executions = executions
        self._queue = queue
        self._background: set[asyncio.Task[None]] = set()

    async def submit(self, request: ExecutionRequest) -> Submission:
        """Runs scripts, transient runs and sync workflows now, and enqueues async workflows.

        Raises:
            ValueError: the request has neither code nor a name.
            FunctionNotFoundError: there is no such workflow.
            InvalidInputError: the parameters or the script are not valid; nothing is recorded then.
            StorageUnavailableError: the run can't be recorded, and so was not begun.
        """
        await ensure_loaded()
        prepared = prepare(request)
        now = prepared.metadata is None or request.transient or prepared.metadata.execution_mode == "sync"
        with count_storage_calls():
            return await (self._run_now(prepared) if now else self._enqueue(prepared))

    async def _run_now(self, prepared: PreparedExecution) -> Submission:
        request = prepared.request
        request.time_limit_seconds = min(request.time_limit_seconds or HTTP_RUN_LIMIT_SECONDS, HTTP_RUN_LIMIT_SECONDS)
        now = datetime.now(UTC)
        record = _new_record(prepared, ExecutionStatus.RUNNING, now, started_at=now, lease_until=lease_from(now))
        if request.transient:
            result = await run(prepared)
            return Submission(_end_of(result).of(record), result)
        lease = Lease(self._executions, await self._executions.create(record))
        result = await _run_leased(prepared, lease)
        end = _end_of(result)
        try:
            finished = await lease.finish(end)
        except StorageUnavailableError:
            finished = None
            logger.warning(
                "The end of execution %s can't be recorded yet: storage is out of reach", record.execution_id
            )
            task = asyncio.create_task(_finish_in_background(lease, end))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        return Submission(finished or end.of(lease.record), result, recorded=finished is not None)

    async def _enqueue(self, prepared: PreparedExecution) -> Submission:
        record = _new_record(prepared, ExecutionStatus.PENDING, datetime.now(UTC))
        record = await self._executions.create(record)
        try:
            await self._queue.send(message_of(record))
        except StorageUnavailableError:
            # The caller is told that the run did not come about, so the record must not say that it will.
            await self._executions.finish(record, _not_enqueued(record))
            raise
        return Submission(record)

    async def run_queued(self, text: str) -> None:
        """Runs the execution that a queue message names; a message that names nothing to run is logged and dropped.

        Raises:
            StorageUnavailableError: the record can't be read or claimed, or its end not written; the message must come
            again.
        """
        message = read_message(text)
        if message is not None:
            with count_storage_calls():
                await self._run_message(message)

    async def _run_message(self, message: QueueMessage) -> None:
        record = await self._executions.get(message.scope, message.execution_id)
        if record is None:
            logger.warning("A message names the execution %s, which is not recorded; dropped", message.execution_id)
            return
        if record.status is not ExecutionStatus.PENDING or record.attempt != message.attempt:
            logger.info(
                "A message for attempt %s of execution %s was dropped: attempt %s is %s",
                message.attempt,
                record.execution_id,
                record.attempt,
                record.status,
            )
            return
        await ensure_loaded()
        request = _request_of(record)
        # What is wrong with a recorded request (its workflow is gone, say) is its result: nobody waits for an answer.
        prepared = refusal = None
        try:
            prepared = prepare(request)
        except (FunctionNotFoundError, InvalidInputError) as error:
            refusal = refused(request, error)
        now = datetime.now(UTC)
        try:
            record = await self._executions.claim(record, started_at=now, lease_until=lease_from(now))
        except ExecutionChangedError:
            logger.info("Execution %s was claimed by another worker", record.execution_id)
            return
        lease = Lease(self._executions, record)
        result = await _run_leased(prepared, lease) if prepared else refusal
        assert result is not None
        end = _end_of(result)
        policy = prepared.metadata.retry_policy if prepared and prepared.metadata else None
        wait = retry_wait(policy, lease.record, end)
        if wait is None or not await self._retry(lease.record, end, wait):
            await lease.finish_patiently(end)

    async def _retry(self, record: ExecutionRecord, end: ExecutionEnd, wait: float) -> bool:
        """Has the execution tried again after `wait` seconds; false when the record can't be written as it was read."""
        try:
            waiting = await self._executions.transition(record, next_attempt(record, end))
        except (ExecutionChangedError, StorageUnavailableError):
            return False
        # Only now: a message that comes before its record is changed is for an attempt that nobody knows, and dropped.
        try:
            await self._queue.send(message_of(waiting), visibility_delay_seconds=round(wait))
        except StorageUnavailableError:
            await self._executions.finish(waiting, _not_enqueued(waiting))
        return True

    async def end_poisoned(self, text: str) -> None:
        """Ends the execution whose message was given up by the queue, unless it is of another attempt or runs.

        Raises:
            StorageUnavailableError: the record can't be read or written; the message must come again.
        """
        message = read_message(text)
        if message is None:
            return
        now = datetime.now(UTC)
        record = await self._executions.get(message.scope, message.execution_id)
        if record is None or record.status.is_end or record.attempt != message.attempt:
            logger.info("A poison message for execution %s was dropped", message.execution_id)
            return
        if record.lease_until is not None and record.lease_until > now:
            logger.info("A poison message for execution %s was dropped: the execution runs", message.execution_id)
            return
        reason = f"{record.workflow_name} could not be run: its message failed too often and was given up by the queue"
        end = ExecutionEnd(
            status=ExecutionStatus.FAILED, completed_at=now, error_message=reason, error_type="PoisonMessage"
        )
        try:
            await self._executions.finish(record, end)
        except ExecutionChangedError:
            logger.info("Execution %s was changed meanwhile; its poison message was dropped", message.execution_id)

    async def cancel(self, record: ExecutionRecord) -> ExecutionRecord:
        """Asks for the end of an execution: one that waits ends at once, one that runs hears it within seconds.

        Args:
            record: as read.

        Raises:
            ConflictError: it has ended.
            StorageUnavailableError: the wish can't be recorded.
        """
        while not record.status.is_end:
            if record.status is ExecutionStatus.CANCELLING:
                return record
            following = _cancelled(record) if record.status is ExecutionStatus.PENDING else _cancelling(record)
            try:
                return await self._executions.transition(record, following)
            except ExecutionChangedError:
                fresh = await self._executions.get(record.scope, record.execution_id)
                assert fresh is not None
                record = fresh
        raise ConflictError(f"The execution has ended already: it is {record.status}")


async def _run_leased(prepared: PreparedExecution, lease: Lease) -> ExecutionResult:
    prepared.request.stop = lease.stop
    prepared.request.on_context = lease.watch
    lease.hold()
    try:
        return await run(prepared)
    finally:
        await lease.release()


async def _finish_in_background(lease: Lease, end: ExecutionEnd) -> None:
    try:
        await lease.finish_patiently(end)
    except StorageUnavailableError:
        logger.error(  # noqa: TRY400 - the traceback would say nothing that storage being away does not
            "The end of execution %s was not recorded: %s, result of %d bytes, %d log lines",
            lease.record.execution_id,
            end.status,
            len(json.dumps(end.result)),
            len(end.logs),
        )


def _not_enqueued(record: ExecutionRecord) -> ExecutionEnd:
    return ExecutionEnd(
        status=ExecutionStatus.FAILED,
        completed_at=datetime.now(UTC),
        error_message=f"{record.workflow_name} could not be enqueued: the queue was out of reach",
        error_type="ServiceUnavailable",
    )


def _cancelling(record: ExecutionRecord) -> ExecutionRecord:
    return replace(record, status=ExecutionStatus.CANCELLING)


def _cancelled(record: ExecutionRecord) -> ExecutionRecord:
    end = ExecutionEnd(
        status=ExecutionStatus.CANCELLED,
        completed_at=datetime.now(UTC),
        error_message=f"{record.workflow_name} was cancelled before it began",
        error_type="Cancelled",
    )
    return end.of(record)


def _new_record(
    prepared: PreparedExecution,
    status: ExecutionStatus,
    now: datetime,
    *,
    started_at: datetime | None = None,
    lease_until: datetime | None = None,
) -> ExecutionRecord:
    request = prepared.request
    return ExecutionRecord(
        execution_id=request.execution_id,
        scope=request.organization.id if request.organization else GLOBAL_SCOPE,
        workflow_name=prepared.name,
        is_script=prepared.script is not None,
        form_id=request.form_id,
        executed_by=request.caller.user_id,
        executed_by_name=request.caller.name,
        executed_by_email=request.caller.email,
        is_platform_admin=request.is_platform_admin,
        is_function_key=request.is_function_key,
        status=status,
        created_at=now,
        started_at=started_at,
        lease_until=lease_until,
        # What the caller sent, not what validation made of it: a run from the queue is validated again.
        input_data=to_json(dict(request.parameters)),
        code=request.code,
        attempt=request.attempt,
        # The queue message is a call that the repository does not see.
        storage_calls=1 if status is ExecutionStatus.PENDING else 0,
    )


def _request_of(record: ExecutionRecord) -> ExecutionRequest:
    parameters: Mapping[str, Any] = record.input_data or {}
    return ExecutionRequest(
        execution_id=record.execution_id,
        caller=Caller(record.executed_by, record.executed_by_email, record.executed_by_name),
        organization=Organization(record.org_id, record.org_id) if record.org_id else None,
        name=record.workflow_name,
        parameters=parameters,
        is_platform_admin=record.is_platform_admin,
        is_function_key=record.is_function_key,
        form_id=record.form_id,
        use=WORKFLOW,
        attempt=record.attempt,
    )


def _end_of(result: ExecutionResult) -> ExecutionEnd:
    return ExecutionEnd(
        status=result.status,
        completed_at=datetime.now(UTC),
        duration_ms=result.duration_ms,
        result=result.result,
        result_type=result_type(result.result) if result.result is not None else None,
        error_message=result.error_message,
        error_type=result.error_type,
        error_details=result.error_details,
        logs=result.logs,
        variables=result.variables,
        state_snapshots=result.state_snapshots,
        integration_calls=result.integration_calls,
        progress=result.progress,
    )


_executor: tuple[Storage, Executor] | None = None


def get_executor() -> Executor:
    """The executor of this process, on the storage account of its settings."""
    global _executor
    storage = get_storage()
    if _executor is None or _executor[0] is not storage:
        _executor = (storage, Executor(ExecutionRepository(storage), storage.queue(EXECUTION_QUEUE)))
    return _executor[1]
