"""What happens around a run: it is recorded and run, or enqueued, and later claimed by a worker, run and ended."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.access.organizations import find_organization
from shared.context import Caller, HttpRequestInfo, Organization
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, ExecutionResult, PreparedExecution, prepare, refused, run
from shared.errors import ConflictError, FunctionNotFoundError, InvalidInputError, StorageUnavailableError
from shared.executions.lease import BACKGROUND_WAITS_SECONDS, Lease, lease_from
from shared.executions.queue_messages import EXECUTION_QUEUE, QueueMessage, read_message
from shared.executions.queueing import Outbox
from shared.executions.retries import retry_wait
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.registry import WORKFLOW
from shared.repositories.executions.record import ExecutionEnd, ExecutionRecord
from shared.repositories.executions.store import ExecutionChangedError, ExecutionRepository
from shared.serialization import result_type, to_json
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS, get_settings
from shared.storage import Queue, Storage, count_storage_calls, get_storage

logger = logging.getLogger(__name__)

_NOT_BEGUN = "ServiceUnavailable"


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a request.

    Attributes:
        record: the execution as it stands now; for a transient run, as it would have been recorded.
        result: what the run came to; None while it waits for a worker.
        recorded: whether the record says what `record` says. False when storage went away during the run: then the
            record is written as soon as storage is back.
        replayed: whether it is what an earlier call with the same Idempotency-Key came to.
    """

    record: ExecutionRecord
    result: ExecutionResult | None = None
    recorded: bool = True
    replayed: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the caller has to look for the end elsewhere."""
        return self.record.is_queued or not self.record.status.is_end


class Executor:
    """Submits, queues and runs executions.

    Args:
        executions: where they are recorded.
        queue: the queue `workflow-executions`.
    """

    def __init__(self, executions: ExecutionRepository, queue: Queue) -> None:
        self._executions = executions
        self._outbox = Outbox(executions, queue)
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
        return await self.start(prepare(request), record_after=get_settings().record_start_grace_seconds)

    async def start(
        self, prepared: PreparedExecution, *, record_after: float = 0.0, is_repeatable: bool = False
    ) -> Submission:
        """Runs or enqueues a request that was prepared.

        Args:
            prepared: what to run.
            record_after: seconds that a run may take before it is recorded; one that ends earlier costs one storage
                call, and leaves no trace when the worker dies meanwhile.
            is_repeatable: whether a caller who is refused, and comes again, meets the same execution. One that is
                enqueued all the same is theirs then.

        Raises:
            StorageUnavailableError: the run can't be recorded, and so was not begun.
            ExecutionChangedError: there is an execution with this id.
        """
        request = prepared.request
        is_queued = not (prepared.metadata is None or request.transient or prepared.metadata.execution_mode == "sync")
        record = _new_record(prepared, datetime.now(UTC), is_queued=is_queued)
        with count_storage_calls():
            try:
                if is_queued:
                    return Submission(await self._outbox.enqueue(record))
                return await self._run_now(prepared, record, record_after)
            except StorageUnavailableError as error:
                if error.is_uncertain and not (is_queued and is_repeatable):
                    self._do_in_background(self._withdraw(record))
                raise

    async def _run_now(self, prepared: PreparedExecution, record: ExecutionRecord, record_after: float) -> Submission:
        request = prepared.request
        request.time_limit_seconds = min(request.time_limit_seconds or HTTP_RUN_LIMIT_SECONDS, HTTP_RUN_LIMIT_SECONDS)
        if request.transient:
            result = await run(prepared)
            return Submission(_end_of(result).of(record), result)
        lease = Lease(self._executions, record)
        if not record_after or not self._executions.is_reachable:
            await lease.begin()
            record_after = 0.0
        result = await _run_leased(prepared, lease, record_after)
        end = _end_of(result)
        try:
            finished = await lease.finish(end)
        except StorageUnavailableError:
            finished = None
            logger.warning(
                "The end of execution %s can't be recorded yet: storage is out of reach", record.execution_id
            )
            self._do_in_background(_finish_in_background(lease, end))
        return Submission(finished or end.of(lease.record), result, recorded=finished is not None)

    def _do_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _withdraw(self, record: ExecutionRecord) -> None:
        """Ends an execution whose caller was told that it was not begun, should its record be there all the same."""
        end = ExecutionEnd(
            status=ExecutionStatus.FAILED,
            completed_at=datetime.now(UTC),
            error_message=f"{record.workflow_name} was not begun: storage was out of reach",
            error_type=_NOT_BEGUN,
        )
        for wait in BACKGROUND_WAITS_SECONDS:
            await asyncio.sleep(wait)
            try:
                found = await self._executions.get(record.scope, record.execution_id)
                if found is not None and found.write_token == record.write_token:
                    await self._executions.finish(found, end)
            except StorageUnavailableError:
                continue
            except ExecutionChangedError:
                logger.debug("Execution %s goes on", record.execution_id)
            return

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
        request = _request_of(record, await _organization_of(record))
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
        if wait is not None:
            try:
                await self._outbox.retry(lease.record, end, wait)
            except (ExecutionChangedError, StorageUnavailableError):
                logger.warning("Execution %s can't be tried again as it stands; it ends", record.execution_id)
            else:
                return
        await lease.finish_patiently(end)

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


async def _run_leased(prepared: PreparedExecution, lease: Lease, record_after: float = 0.0) -> ExecutionResult:
    prepared.request.stop = lease.stop
    prepared.request.logs = lease.logs
    prepared.request.on_context = lease.watch
    lease.hold(record_after)
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
    except ExecutionChangedError:
        logger.error("The end of execution %s was not recorded: there is another of this id", lease.record.execution_id)  # noqa: TRY400 - as above


def was_not_begun(record: ExecutionRecord) -> bool:
    """Whether the execution's caller was told that it was not begun."""
    return record.status is ExecutionStatus.FAILED and record.error_type == _NOT_BEGUN and record.duration_ms is None


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


def _new_record(prepared: PreparedExecution, now: datetime, *, is_queued: bool = False) -> ExecutionRecord:
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
        is_queued=is_queued,
        status=ExecutionStatus.PENDING if is_queued else ExecutionStatus.RUNNING,
        created_at=now,
        started_at=None if is_queued else now,
        lease_until=None if is_queued else lease_from(now),
        # What the caller sent, not what validation made of it: a run from the queue is validated again.
        input_data=to_json(dict(request.parameters)),
        http=request.http.as_json() if request.http is not None and is_queued else None,
        result_token_digest=request.result_token_digest,
        code=request.code,
        attempt=request.attempt,
        # The queue message is a call that the repository does not see.
        storage_calls=1 if is_queued else 0,
    )


def _request_of(record: ExecutionRecord, organization: Organization | None) -> ExecutionRequest:
    parameters: Mapping[str, Any] = record.input_data or {}
    return ExecutionRequest(
        execution_id=record.execution_id,
        caller=Caller(record.executed_by, record.executed_by_email, record.executed_by_name),
        organization=organization,
        name=record.workflow_name,
        parameters=parameters,
        is_platform_admin=record.is_platform_admin,
        is_function_key=record.is_function_key,
        form_id=record.form_id,
        http=HttpRequestInfo.from_json(record.http) if record.http is not None else None,
        use=WORKFLOW,
        attempt=record.attempt,
        trigger="queue",
    )


async def _organization_of(record: ExecutionRecord) -> Organization | None:
    if record.org_id is None:
        return None
    # An execution that was accepted runs, whatever has become of its organization meanwhile.
    return await find_organization(record.org_id) or Organization(record.org_id, record.org_id, is_active=False)


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
