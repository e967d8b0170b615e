"""Queues of text messages, in base64 as the host's queue trigger reads them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from shared.storage.azure.calls import Calls
from shared.storage.errors import MissingError
from shared.storage.interface import Queue

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

NEVER_EXPIRES = -1
# 64 KiB for a message, which base64 makes a third longer:
# https://learn.microsoft.com/azure/storage/queues/scalability-targets
LONGEST_MESSAGE_BYTES = 48 * 1024
_MOST_PEEKED = 32


class AzureQueue(Queue):
    """A queue of a storage account.

    Args:
        calls: makes the calls.
        client: gives the SDK's client.
    """

    def __init__(self, calls: Calls, client: Callable[[], QueueClient]) -> None:
        self._calls = calls
        self._client = client

    async def send(self, text: str, *, visibility_delay_seconds: int = 0, keep_seconds: int | None = None) -> None:
        content = text.encode("utf-8")
        if len(content) > LONGEST_MESSAGE_BYTES:
            raise ValueError(f"a queue message has at most {LONGEST_MESSAGE_BYTES} bytes, not {len(content)}")
        encoded = base64.b64encode(content).decode("ascii")
        client = self._client()
        send = partial(
            client.send_message,
            encoded,
            visibility_timeout=visibility_delay_seconds,
            time_to_live=NEVER_EXPIRES if keep_seconds is None else keep_seconds,
        )
        await self._calls.run(send, client.create_queue)

    async def front(self) -> datetime | None:
        try:
            messages = await self._calls.run(lambda: self._client().peek_messages(_MOST_PEEKED))
        except MissingError:
            return None
        return min((message.inserted_on for message in messages if message.inserted_on is not None), default=None)

    async def length(self) -> int:
        try:
            properties = await self._calls.run(lambda: self._client().get_queue_properties())
        except MissingError:
            return 0
        return properties.approximate_message_count or 0
