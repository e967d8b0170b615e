"""Queues and blobs, against Azurite."""

from __future__ import annotations

import base64

import pytest
from azure.storage.queue import QueueClient

from shared.storage import Storage, count_storage_calls
from shared.storage.azure.queues import LONGEST_MESSAGE_BYTES
from tests.support.accounts import StorageAccount


@pytest.fixture
def received(storage_account: StorageAccount):
    """Reads one message of a queue the way anybody else would; None when none is to be seen."""
    clients: list[QueueClient] = []

    def receive(name: str) -> str | None:
        client = QueueClient.from_connection_string(storage_account.connection_string, name)
        clients.append(client)
        message = client.receive_message()
        return None if message is None else base64.b64decode(message.content).decode()

    yield receive
    for client in clients:
        client.close()


async def test_a_message_arrives_in_base64_as_the_host_reads_it(storage: Storage, received) -> None:
    await storage.queue("jobs").send('{"greeting": "Grüße <&>"}')
    assert received("jobs") == '{"greeting": "Grüße <&>"}'


async def test_a_missing_queue_is_created_by_the_first_message(storage: Storage) -> None:
    queue = storage.queue("jobs")
    assert await queue.length() == 0
    with count_storage_calls() as first:
        await queue.send("one")
    with count_storage_calls() as second:
        await queue.send("two")
    assert (first.queues, second.queues) == (3, 1)
    assert await queue.length() == 2


async def test_a_delayed_message_is_there_and_not_to_be_seen(storage: Storage, received) -> None:
    await storage.queue("jobs").send("later", visibility_delay_seconds=3600)
    assert received("jobs") is None
    assert await storage.queue("jobs").length() == 1


async def test_the_longest_message_is_sent_and_a_longer_one_refused(storage: Storage, received) -> None:
    longest = "x" * LONGEST_MESSAGE_BYTES
    await storage.queue("jobs").send(longest)
    assert received("jobs") == longest
    with pytest.raises(ValueError, match="at most 49152 bytes"):
        await storage.queue("jobs").send(longest + "x")


async def test_a_blob_comes_back_as_it_was_written(storage: Storage) -> None:
    blobs = storage.blobs("files")
    content = bytes(range(256)) * 1024 * 20
    await blobs.put("a/b c'd", content)
    assert await blobs.get("a/b c'd") == content
    await blobs.put("a/b c'd", b"")
    assert await blobs.get("a/b c'd") == b""


async def test_a_missing_container_is_created_by_the_first_blob(storage: Storage) -> None:
    blobs = storage.blobs("files")
    assert await blobs.get("any") is None
    with count_storage_calls() as first:
        await blobs.put("one", b"1")
    with count_storage_calls() as second:
        await blobs.put("two", b"2")
    assert (first.blobs, second.blobs) == (3, 1)


async def test_deleting_a_blob_twice_is_no_error(storage: Storage) -> None:
    blobs = storage.blobs("files")
    await blobs.put("one", b"1")
    await blobs.delete("one")
    await blobs.delete("one")
    assert await blobs.get("one") is None
