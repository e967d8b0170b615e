"""What happens around a run: it is recorded and run, or enqueued, and later claimed by a worker, run and ended."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.access.organizations import Organizations
from shared.context import Organization
from shared.discovery import ensure_loaded
from shared.engine import Engine, PreparedExecution, prepare
from shared.errors import (
    ConflictError,
    FunctionNotFoundError,
    InvalidInputError,
    ServiceUnavailableError,
    StorageUnavailableError,
)
from shared.execution_request import ExecutionRequest, RunControl
from shared.executions.lease import RETRY_WAITS_SECONDS, Lease
from shared.executions.queueing import ExecutionQueue, NotOursError, QueueMessage, read_message
from shared.executions.rejected import RejectedMessages
from shared.executions.requests import record_of, request_of
from shared.executions.retries import retry_wait, wait_for_file
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.registry import get_registry
from shared.repositories.executions.ended import log_end
from shared.repositories.executions.record import ExecutionRecord, new_write_token
from shared.repositories.executions.store import ExecutionChangedError, ExecutionStore
from shared.runtime.endings import refusal
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS, get_settings
from shared.storage import count_storage_calls

logger = logging.getLogger(__name__)

_NOT_STARTED = "ServiceUnavailable"


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a request.

    Attributes:
        record: the execution as it stands now; for a transient run, as it would have been recorded.
        recorded: whether the record says what `record` says. False when storage went away during the run: then the
            record is written as soon as storage is back.
        replayed: whether it is what an earlier call with the same Idempotency-Key came to.
        is_pending: whether the caller has to look for the end elsewhere.
    """

    record: ExecutionRecord
    recorded: bool = True
    replayed: bool = False
    is_pending: bool = False


class Executor:
    """Submits, queues and runs executions.

    Args:
        engine: runs them.
        store: where they are recorded.
        queue: where they wait for a worker.
        organizations: whom they belong to.
        rejected: where messages go that name none of them.
    """

    def __init__(
        self,
        engine: Engine,
        store: ExecutionStore,
        queue: ExecutionQueue,
        organizations: Organizations,
        rejected: RejectedMessages,
    ) -> None:
        self._engine = engine
        self._store = store
        self._queue = queue
        self._organizations = organizations
        self._rejected = rejected
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
        is_transient = prepared.request.transient
        is_queued = not (prepared.metadata is None or is_transient or prepared.metadata.execution_mode == "sync")
        record = record_of(prepared, datetime.now(UTC), is_queued=is_queued)
        with count_storage_calls():
            try:
                if is_queued:
                    return Submission(await self._queue.enqueue(record), is_pending=True)
                if is_transient:
                    return await self._run_transient(prepared, record)
                return await self._run_now(prepared, Lease(self._store, record, record_after))
            except StorageUnavailableError as error:
                if error.is_uncertain and not (is_queued and is_repeatable):
                    self._do_in_background(self._withdraw(record))
                raise

    async def _run_transient(self, prepared: PreparedExecution, record: ExecutionRecord) -> Submission:
        result = await self._engine.run(prepared, RunControl(limit_seconds=HTTP_RUN_LIMIT_SECONDS))
        ended = record.ended(result, record.write_token)
        log_end(ended)
        return Submission(ended)

    async def _run_now(self, prepared: PreparedExecution, lease: Lease) -> Submission:
        lease.control.limit_seconds = HTTP_RUN_LIMIT_SECONDS
        async with lease:
            result = await self._engine.run(prepared, lease.control)
        try:
            ended = await lease.end(result)
        except StorageUnavailableError:
            ended = None
            logger.warning(
                "The end of execution %s can't be recorded yet: storage is out of reach",
                lease.record.execution_id,
                extra=lease.record.log_extra,
            )
            self._do_in_background(_end_in_background(lease, result))
        if ended is not None:
            return Submission(ended)
        return Submission(lease.record.ended(result, lease.record.write_token), recorded=False)

    def _do_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _withdraw(self, record: ExecutionRecord) -> None:
        """Ends an execution whose caller was told that it was not begun, should its record be there all the same."""
        reason = f"{record.workflow_name} was not begun: storage was out of reach"
        end = _without_run(record, ExecutionStatus.FAILED, _NOT_STARTED, reason)
        for wait in RETRY_WAITS_SECONDS:
            await asyncio.sleep(wait)
            try:
                found = await self._store.get(record.scope, record.execution_id)
                if found is not None and found.write_token == record.write_token:
                    await self._store.finish(found, end)
            except StorageUnavailableError:
                continue
            except ExecutionChangedError:
                logger.debug("Execution %s is under way", record.execution_id, extra=record.log_extra)
            return

    async def run_queued(self, text: str) -> None:
        """Runs the execution that a queue message names; a message that names none of ours goes to the poison queue.

        Raises:
            StorageUnavailableError: the record can't be read or claimed, or its end not written; the message must come
                again.
        """
        with count_storage_calls():
            try:
                message, record = await self._named_in(text)
            except NotOursError as error:
                await self._rejected.reject(text, str(error))
            else:
                await self._run_message(message, record)

    async def _named_in(self, text: str) -> tuple[QueueMessage, ExecutionRecord]:
        """A message and the record that it names.

        Raises:
            NotOursError: it names none of ours.
        """
        message = read_message(text)
        record = await self._store.get(message.scope, message.execution_id)
        if record is None:
            raise NotOursError(f"execution {message.execution_id} is not recorded")
        return message, record

    async def _run_message(self, message: QueueMessage, record: ExecutionRecord) -> None:
        if record.status is not ExecutionStatus.PENDING or record.attempt != message.attempt:
            logger.info(
                "A message for attempt %s of execution %s was dropped: attempt %s is %s",
                message.attempt,
                record.execution_id,
                record.attempt,
                record.status,
                extra=record.log_extra,
            )
            return
        try:
            await ensure_loaded()
        except ServiceUnavailableError:
            if await self._waits_for_file(record):
                return
            raise
        request = request_of(record, await self._organization_of(record))
        # What is wrong with a recorded request (its workflow is gone, say) is its result: nobody waits for an answer.
        prepared = refused = None
        try:
            prepared = prepare(request)
        except (FunctionNotFoundError, InvalidInputError) as error:
            if isinstance(error, FunctionNotFoundError) and await self._waits_for_file(record):
                return
            refused = refusal(request.execution_id, error)
        lease = Lease(self._store, record)
        try:
            async with lease:
                result = await self._engine.run(prepared, lease.control) if prepared else refused
        except ExecutionChangedError:
            logger.info("Execution %s was claimed by another worker", record.execution_id, extra=record.log_extra)
            return
        assert result is not None
        policy = prepared.metadata.retry_policy if prepared and prepared.metadata else None
        wait = retry_wait(policy, lease.record, result)
        if wait is None or not await self._retry(lease.record, result, wait):
            await lease.end_with_retries(result)

    async def _waits_for_file(self, record: ExecutionRecord) -> bool:
        """Whether an execution whose workflow is missing waits, since a file that is broken, or hangs, may have it.

        Raises:
            StorageUnavailableError: that it waits can't be recorded; the message must come again.
        """
        wait = wait_for_file(record, datetime.now(UTC)) if get_registry().load_errors else None
        if wait is None:
            return False
        try:
            await self._queue.postpone(record, wait)
        except ExecutionChangedError:
            logger.debug("Execution %s no longer waits", record.execution_id, extra=record.log_extra)
            return True
        logger.warning(
            "Execution %s waits for its workflow %r: a file of the workspace could not be loaded; next look in %.0f s",
            record.execution_id,
            record.workflow_name,
            wait,
            extra=record.log_extra,
        )
        return True

    async def _retry(self, record: ExecutionRecord, result: ExecutionResult, wait: float) -> bool:
        try:
            await self._queue.retry(record, result, wait)
        except (ExecutionChangedError, StorageUnavailableError):
            logger.warning(
                "Execution %s can't be tried again as it stands; it ends", record.execution_id, extra=record.log_extra
            )
            return False
        return True

    async def end_poisoned(self, text: str) -> None:
        """Ends the execution whose message was given up by the queue, unless it is of another attempt or runs.

        A message that names none of ours is logged and put aside.

        Raises:
            StorageUnavailableError: the record can't be read or written; the message must come again.
        """
        try:
            message, record = await self._named_in(text)
        except NotOursError as error:
            await self._rejected.put_aside(text, str(error))
            return
        if record.status.is_end or record.attempt != message.attempt:
            logger.info("A poison message for execution %s was dropped", message.execution_id, extra=record.log_extra)
            return
        if record.lease_until is not None and record.lease_until > datetime.now(UTC):
            logger.info(
                "A poison message for execution %s was dropped: the execution runs",
                record.execution_id,
                extra=record.log_extra,
            )
            return
        reason = f"{record.workflow_name} could not be run: its message failed too often and was given up by the queue"
        try:
            await self._store.finish(record, _without_run(record, ExecutionStatus.FAILED, "PoisonMessage", reason))
        except ExecutionChangedError:
            logger.info(
                "Execution %s was changed meanwhile; its poison message was dropped",
                record.execution_id,
                extra=record.log_extra,
            )

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
                return await self._store.transition(record, following)
            except ExecutionChangedError:
                fresh = await self._store.get(record.scope, record.execution_id)
                assert fresh is not None
                record = fresh
        raise ConflictError(f"The execution has ended already: it is {record.status}")

    async def _organization_of(self, record: ExecutionRecord) -> Organization | None:
        if record.org_id is None:
            return None
        # An execution that was accepted runs, whatever has become of its organization meanwhile.
        found = await self._organizations.find(record.org_id)
        return found or Organization(record.org_id, record.org_id, is_active=False)


async def _end_in_background(lease: Lease, result: ExecutionResult) -> None:
    record = lease.record
    try:
        await lease.end_with_retries(result)
    except StorageUnavailableError:
        logger.error(  # noqa: TRY400 - the traceback would say nothing that storage being away does not
            "The end of execution %s was not recorded: %s, result of %d bytes, %d log lines",
            record.execution_id,
            result.status,
            len(json.dumps(result.result)),
            len(result.logs),
            extra=record.log_extra,
        )
    except ExecutionChangedError:
        logger.error(  # noqa: TRY400 - as above
            "The end of execution %s was not recorded: there is another of this id",
            record.execution_id,
            extra=record.log_extra,
        )


def never_started(record: ExecutionRecord) -> bool:
    """Whether the execution's caller was told that it was not begun."""
    end = record.end
    failed = end is not None and end.status is ExecutionStatus.FAILED and end.error_type == _NOT_STARTED
    return failed and end is not None and end.duration_ms is None


def _without_run(
    record: ExecutionRecord, status: ExecutionStatus, error_type: str, error_message: str
) -> ExecutionResult:
    """The end of an execution that no code of the user's brought about."""
    return ExecutionResult(
        execution_id=record.execution_id,
        status=status,
        error_type=error_type,
        error_message=error_message,
        duration_ms=None,
        completed_at=datetime.now(UTC),
    )


def _cancelling(record: ExecutionRecord) -> ExecutionRecord:
    return replace(record, status=ExecutionStatus.CANCELLING)


def _cancelled(record: ExecutionRecord) -> ExecutionRecord:
    reason = f"{record.workflow_name} was cancelled before it began"
    return record.ended(_without_run(record, ExecutionStatus.CANCELLED, "Cancelled", reason), new_write_token())
