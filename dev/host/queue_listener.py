"""The queue trigger: polls a queue and calls a function for each message, as the Storage extension of WebJobs does.

A message that was taken is invisible for ten minutes, prolonged while its function runs. Success deletes it. A failure
makes it visible again after visibilityTimeout, and with the last of maxDequeueCount tries it goes to `{queue}-poison`.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from dev.host.functions import Function, FunctionError, resolve
from dev.host.host_json import MIN_POLLING_SECONDS, QueueOptions
from dev.host.worker_process import FunctionFailedError, FunctionTimeoutError, WorkerLostError

logger = logging.getLogger("dev.host")

INVISIBLE_SECONDS = 600.0
POISON_SUFFIX = "-poison"
# https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata
_MAX_QUEUE_NAME = 63

# The SDK's own patience (15 s and more between tries) is made for batch jobs.
_CLIENT_OPTIONS: dict[str, Any] = {
    "initial_backoff": 1,
    "increment_base": 2,
    "retry_total": 2,
    "connection_timeout": 5,
    "read_timeout": 15,
}

# Runs a function with the header and the body of a call.
Call = Callable[[Function, Mapping[str, Any], bytes], Awaitable[object]]


class QueueListener:
    """Listens for one function.

    Args:
        function: has a queueTrigger.
        options: of host.json.
        environ: the app's settings; the trigger's `connection` names one.
        call: runs the function.
        invisible_seconds: how long a message that was taken stays invisible unless it is prolonged.

    Raises:
        FunctionError: the connection is no setting, or no connection string.
    """

    def __init__(
        self,
        function: Function,
        options: QueueOptions,
        environ: Mapping[str, str],
        call: Call,
        invisible_seconds: float = INVISIBLE_SECONDS,
    ) -> None:
        self._function = function
        self._options = options
        self._call = call
        self._invisible_seconds = invisible_seconds
        name = resolve(str(function.trigger["queueName"]), environ, function.name)
        connection = _connection_string(function, environ)
        try:
            self._queue = QueueClient.from_connection_string(connection, name, **_CLIENT_OPTIONS)
            poison = name + POISON_SUFFIX
            has_poison = not name.endswith(POISON_SUFFIX) and len(poison) <= _MAX_QUEUE_NAME
            self._poison = (
                QueueClient.from_connection_string(connection, poison, **_CLIENT_OPTIONS) if has_poison else None
            )
        except ValueError as error:
            raise FunctionError(f"Function {function.name} does not run: its storage connection: {error}") from None
        self._in_work: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._reachable = True
        self._poller: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._poller = asyncio.create_task(self._poll())

    async def stop_polling(self) -> None:
        """Takes no more messages; those in work go on."""
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller

    async def wait_idle(self) -> None:
        """Returns when no message is in work."""
        while self._in_work:
            await asyncio.wait(self._in_work)

    async def close(self) -> None:
        """Gives up what is still in work: it stays invisible until its time is over, and is then taken again."""
        for task in self._in_work:
            task.cancel()
        await asyncio.gather(*self._in_work, return_exceptions=True)
        for client in (self._queue, self._poison):
            if client is not None:
                await client.close()

    def manual_call(self, text: str) -> tuple[dict[str, Any], bytes]:
        """Header and body of a call as if a message of this text had come."""
        now = datetime.now(UTC)
        message = QueueMessage(content=text)
        message.id = str(uuid.uuid4())
        message.dequeue_count = 1
        message.pop_receipt = ""
        message.inserted_on = now
        message.expires_on = now + timedelta(days=7)
        message.next_visible_on = now + timedelta(seconds=INVISIBLE_SECONDS)
        return {"metadata": _metadata(message)}, text.encode()

    async def _poll(self) -> None:
        empty_looks = 0
        while True:
            self._room.clear()
            if len(self._in_work) > self._options.new_batch_threshold:
                await self._room.wait()
                continue
            messages = await self._take_batch()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._in_work.add(task)
                task.add_done_callback(self._finished)
            empty_looks = 0 if messages else empty_looks + 1
            if not messages:
                await asyncio.sleep(self._pause(empty_looks))

    def _pause(self, empty_looks: int) -> float:
        # Bounded before it is computed: after a night of polling 2 ** n would be no float any more.
        exponential = MIN_POLLING_SECONDS * 2 ** min(empty_looks - 1, 20) * random.uniform(0.8, 1.2)  # noqa: S311
        return min(exponential, self._options.max_polling_interval)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_work.discard(task)
        self._room.set()

    async def _take_batch(self) -> list[QueueMessage]:
        try:
            pages = self._queue.receive_messages(
                messages_per_page=self._options.batch_size, visibility_timeout=int(self._invisible_seconds)
            ).by_page()
            messages = [message async for message in await anext(pages)]
        except (ResourceNotFoundError, StopAsyncIteration):
            # A queue that nobody has made yet is an empty one.
            messages = []
        except AzureError as error:
            if self._reachable:
                self._reachable = False
                logger.warning(
                    "Function %s: queue %s can't be read: %s",
                    self._function.name,
                    self._queue.queue_name,
                    str(error).partition("\n")[0],
                )
            return []
        if not self._reachable:
            self._reachable = True
            logger.info("Function %s: queue %s can be read again", self._function.name, self._queue.queue_name)
        return messages

    async def _process(self, message: QueueMessage) -> None:
        tries = message.dequeue_count or 0
        if tries > self._options.max_dequeue_count:
            await self._settle(message, self._to_poison)
            return
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew_visibility(message, done))
        try:
            succeeded = await self._run(message)
        except WorkerLostError:
            # As when a host crashes: nobody gives the message back before its time is over.
            logger.warning(
                "Function %s lost its worker; message %s comes again within %g s",
                self._function.name,
                message.id,
                self._invisible_seconds,
            )
            return
        finally:
            done.set()
            await renewal
        if succeeded:
            await self._settle(message, self._delete)
        elif self._poison is None:
            # Without a poison queue a failing message would go round and round; it stays invisible instead.
            return
        elif tries >= self._options.max_dequeue_count:
            await self._settle(message, self._to_poison)
        else:
            await self._settle(message, self._release)

    async def _run(self, message: QueueMessage) -> bool:
        content = message.content or ""
        try:
            body = base64.b64decode(content, validate=True) if self._options.base64 else content.encode()
        except binascii.Error:
            logger.error(  # noqa: TRY400
                "Function %s: message %s is not base64, as messageEncoding in host.json asks for",
                self._function.name,
                message.id,
            )
            return False
        begin = time.perf_counter()
        try:
            await self._call(self._function, {"metadata": _metadata(message)}, body)
            succeeded = True
        except (FunctionFailedError, FunctionTimeoutError):
            succeeded = False
        logger.info(
            "Queue %s, message %s, try %s → %s: %s in %.1f ms",
            self._queue.queue_name,
            message.id,
            message.dequeue_count,
            self._function.name,
            "done" if succeeded else "failed",
            (time.perf_counter() - begin) * 1000,
        )
        return succeeded

    async def _renew_visibility(self, message: QueueMessage, done: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self._invisible_seconds / 2)
                return
            try:
                await self._set_visibility(message, int(self._invisible_seconds))
            except HttpResponseError as error:
                logger.warning("Message %s can't be kept invisible: %s", message.id, error.message)

    async def _settle(self, message: QueueMessage, act: Callable[[QueueMessage], Awaitable[None]]) -> None:
        try:
            await act(message)
        except AzureError as error:
            logger.warning(
                "Function %s: message %s is not settled and comes again: %s",
                self._function.name,
                message.id,
                str(error).partition("\n")[0],
            )

    async def _delete(self, message: QueueMessage) -> None:
        await self._queue.delete_message(message)

    async def _release(self, message: QueueMessage) -> None:
        await self._set_visibility(message, int(self._options.visibility_timeout))

    async def _to_poison(self, message: QueueMessage) -> None:
        if self._poison is None:
            return
        logger.warning(
            "Message %s has failed %s times and goes to %s", message.id, message.dequeue_count, self._poison.queue_name
        )
        try:
            await self._poison.send_message(message.content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await self._poison.create_queue()
            await self._poison.send_message(message.content)
        await self._delete(message)

    async def _set_visibility(self, message: QueueMessage, seconds: int) -> None:
        updated = await self._queue.update_message(message, visibility_timeout=seconds)
        # Only the newest receipt is valid for the next step.
        message.pop_receipt = updated.pop_receipt


def _connection_string(function: Function, environ: Mapping[str, str]) -> str:
    name = str(function.trigger.get("connection") or "Storage")
    # https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
    found = environ.get(name) or environ.get(f"AzureWebJobs{name}")
    if not found:
        raise FunctionError(
            f"Function {function.name} does not run: there is no setting {name} with a connection string"
        )
    return found.rstrip(";")


def _metadata(message: QueueMessage) -> dict[str, Any]:
    return {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
