"""How an execution gets to the queue: its record first, then its message.

A record without a message is found and sent again (`recovery`); a message without a record could be nothing.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from shared.errors import StorageUnavailableError
from shared.executions.queue_messages import message_of
from shared.executions.retries import next_attempt
from shared.repositories.executions.record import ExecutionEnd, ExecutionRecord
from shared.repositories.executions.store import ExecutionChangedError, ExecutionRepository
from shared.storage import Queue

logger = logging.getLogger(__name__)


class Outbox:
    """Writes records that wait for a worker, and sends their messages.

    Args:
        executions: where executions are recorded.
        queue: the queue `workflow-executions`.
    """

    def __init__(self, executions: ExecutionRepository, queue: Queue) -> None:
        self._executions = executions
        self._queue = queue

    async def enqueue(self, record: ExecutionRecord) -> ExecutionRecord:
        """Stores a new Pending record and sends its message; when that fails, it is sent later.

        Raises:
            StorageUnavailableError: the record can't be stored.
            ExecutionChangedError: there is another execution with this id.
        """
        record = await self._executions.create(record)
        await self._send(record)
        return record

    async def retry(self, record: ExecutionRecord, end: ExecutionEnd, wait: float) -> None:
        """Has an execution tried again.

        Args:
            record: of the attempt that has ended.
            end: what it came to.
            wait: seconds until the next.

        Raises:
            ExecutionChangedError, StorageUnavailableError: the record can't be written.
        """
        waiting = await self._executions.transition(record, next_attempt(record, end, wait))
        # Only now: a message that comes before its record is changed is for an attempt that nobody knows, and dropped.
        await self._send(waiting, round(wait))

    async def send_again(self, record: ExecutionRecord) -> None:
        """Sends the message of a Pending record once more; of many who do it at once, one does.

        Raises:
            ExecutionChangedError: it no longer waits, or somebody else has just sent it.
            StorageUnavailableError: the record can't be written.
        """
        await self._send(await self._executions.reschedule(record, due_at=datetime.now(UTC), is_unsent=False))

    async def _send(self, record: ExecutionRecord, visibility_delay_seconds: int = 0) -> None:
        try:
            await self._queue.send(message_of(record), visibility_delay_seconds=visibility_delay_seconds)
        except StorageUnavailableError:
            logger.warning("The message of execution %s can't be sent now, and will be later", record.execution_id)
            await self._note_unsent(record)

    async def _note_unsent(self, record: ExecutionRecord) -> None:
        due_at = record.due_at or record.created_at
        try:
            await self._executions.reschedule(record, due_at=due_at, is_unsent=True)
        except (ExecutionChangedError, StorageUnavailableError):
            # Sent after all, and begun; or storage is away as a whole. Then its age tells that it was not sent.
            logger.info("That the message of execution %s was not sent can't be noted", record.execution_id)
