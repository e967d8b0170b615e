"""How an execution gets to the queue `workflow-executions`: its record first, then its message.

A record without a message is found and sent again (`recovery`); a message without a record could be nothing.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from shared.errors import StorageUnavailableError
from shared.executions.retries import next_attempt
from shared.models.base import GLOBAL_SCOPE
from shared.models.results import ExecutionResult
from shared.repositories.executions.ended import log_retry
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.store import ExecutionChangedError, ExecutionStore
from shared.repositories.ids import parse_execution_id
from shared.storage import Queue

logger = logging.getLogger(__name__)

EXECUTION_QUEUE = "workflow-executions"
POISON_QUEUE = f"{EXECUTION_QUEUE}-poison"
# A queue message holds 48 KiB before base64; beyond this, parameters are only in the record.
MAX_MESSAGE_PARAMETERS = 32 * 1024


def _checked_id(text: str) -> str:
    if parse_execution_id(text) is None:
        raise ValueError("is no execution id")
    return text


class QueueMessage(BaseModel):
    """A message. It names a record; what is run stands in the record."""

    model_config = ConfigDict(defer_build=True)

    execution_id: Annotated[str, AfterValidator(_checked_id)]
    workflow_name: str | None = None
    org_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    parameters: dict[str, Any] | None = None
    form_id: str | None = None
    attempt: int = 1

    @property
    def scope(self) -> str:
        """Where the record is."""
        return self.org_id or GLOBAL_SCOPE


class NotOursError(Exception):
    """A message names no execution of ours. Says why, without what it holds, which may be somebody's data."""


def read_message(text: str) -> QueueMessage:
    """The message in a text.

    Raises:
        NotOursError: it is of another shape.
    """
    try:
        return QueueMessage.model_validate_json(text)
    except ValidationError as error:
        reasons = [
            f"{'.'.join(map(str, e['loc'])) or 'message'}: {e['msg']}" for e in error.errors(include_input=False)[:5]
        ]
    raise NotOursError("; ".join(reasons))


def message_of(record: ExecutionRecord) -> str:
    """The text of the message that has a record's current attempt run."""
    parameters = record.input_data
    fits = len(json.dumps(parameters)) <= MAX_MESSAGE_PARAMETERS
    message = QueueMessage.model_construct(
        execution_id=record.execution_id,
        workflow_name=record.workflow_name,
        org_id=record.org_id,
        user_id=record.executed_by,
        user_name=record.executed_by_name,
        user_email=record.executed_by_email,
        parameters=dict(parameters or {}) if fits else None,
        form_id=record.form_id,
        attempt=record.attempt,
    )
    return message.model_dump_json()


class ExecutionQueue:
    """Writes records that wait for a worker, and sends their messages.

    Args:
        store: where executions are recorded.
        queue: the queue `workflow-executions`.
    """

    def __init__(self, store: ExecutionStore, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    async def enqueue(self, record: ExecutionRecord) -> ExecutionRecord:
        """Stores a new Pending record and sends its message; when that fails, it is sent later.

        Raises:
            StorageUnavailableError: the record can't be stored.
            ExecutionChangedError: there is another execution with this id.
        """
        record = await self._store.create(record)
        await self._send(record)
        return record

    async def retry(self, record: ExecutionRecord, end: ExecutionResult, wait: float) -> None:
        """Has an execution tried again.

        Args:
            record: of the attempt that has ended.
            end: what it came to.
            wait: seconds until the next.

        Raises:
            ExecutionChangedError, StorageUnavailableError: the record can't be written.
        """
        waiting = await self._store.transition(record, next_attempt(record, end, wait))
        log_retry(record, end, wait)
        # Only now: a message that comes before its record is changed is for an attempt that nobody knows, and dropped.
        await self._send(waiting, round(wait))

    async def resend(self, record: ExecutionRecord) -> None:
        """Sends the message of a Pending record once more; of many who do it at once, one does.

        Raises:
            ExecutionChangedError: it no longer waits, or somebody else has just sent it.
            StorageUnavailableError: the record can't be written.
        """
        await self._send(await self._store.reschedule(record, due_at=datetime.now(UTC), is_unsent=False))

    async def postpone(self, record: ExecutionRecord, wait: float) -> None:
        """Has the message of a Pending record come once more after `wait` seconds; of many at once, one does it.

        Raises:
            ExecutionChangedError, StorageUnavailableError: as for `resend`.
        """
        due_at = datetime.now(UTC) + timedelta(seconds=wait)
        await self._send(await self._store.reschedule(record, due_at=due_at, is_unsent=False), round(wait))

    async def oldest(self) -> datetime | None:
        """When the message was sent that is next, about; see `Queue.front`."""
        return await self._queue.front()

    async def _send(self, record: ExecutionRecord, visibility_delay_seconds: int = 0) -> None:
        try:
            await self._queue.send(message_of(record), visibility_delay_seconds=visibility_delay_seconds)
        except StorageUnavailableError:
            logger.warning(
                "The message of execution %s can't be sent now, and will be later",
                record.execution_id,
                extra=record.log_extra,
            )
            await self._mark_unsent(record)

    async def _mark_unsent(self, record: ExecutionRecord) -> None:
        due_at = record.due_at or record.created_at
        try:
            await self._store.reschedule(record, due_at=due_at, is_unsent=True)
        except (ExecutionChangedError, StorageUnavailableError):
            # Sent after all, and begun; or storage is away as a whole. Then its age tells that it was not sent.
            logger.info(
                "That the message of execution %s was not sent can't be recorded",
                record.execution_id,
                extra=record.log_extra,
            )
