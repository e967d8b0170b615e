"""Queue functions in the local host behave as on Azure."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from dev.host.functions import Function
from dev.host.host_json import QueueOptions
from dev.host.queue_listener import QueueListener
from tests.e2e.local_host.conftest import Sample, SampleMaker
from tests.support.accounts import StorageAccount

DEADLINE = 15
QUEUE = "work-items"


@dataclass(frozen=True, slots=True)
class Work:
    """The queue app, its queue, and the poison queue that the host makes."""

    app: Sample
    queue: QueueClient
    poison: QueueClient

    async def send(self, body: str) -> None:
        await self.queue.send_message(base64.b64encode(body.encode()).decode())

    async def calls(self, count: int) -> list[dict[str, Any]]:
        """All calls of the function, once there are so many."""
        return json.loads(await self.app.text(f"calls/{count}"))


@pytest_asyncio.fixture
async def work(sample: SampleMaker, storage_account: StorageAccount) -> AsyncIterator[Work]:
    connection = storage_account.connection_string
    async with (
        QueueClient.from_connection_string(connection, QUEUE) as queue,
        QueueClient.from_connection_string(connection, f"{QUEUE}-poison") as poison,
        # The queue does not exist yet: the host is silent about it and finds it later.
        sample("queue", connection, WORK_QUEUE=QUEUE) as app,
    ):
        await queue.create_queue()
        yield Work(app, queue, poison)
        # Not SIGTERM: some of the functions would hang for all of the time that the host waits for them.
        app.hosted.process.kill()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await holds():
            await asyncio.sleep(0.05)


async def count(queue: QueueClient) -> int:
    try:
        return (await queue.get_queue_properties()).approximate_message_count or 0
    except ResourceNotFoundError:
        return 0


async def test_a_message_is_worked_once_with_all_that_is_known_of_it_and_deleted(work: Work) -> None:
    await work.send("one")
    (call,) = await work.calls(1)
    assert (call["body"], call["dequeue_count"], call["has_receipt"]) == ("one", 1, True)
    inserted = datetime.fromisoformat(call["insertion_time"])
    assert abs(inserted - datetime.now(UTC)) < timedelta(minutes=1)
    assert datetime.fromisoformat(call["expiration_time"]) - inserted == timedelta(days=7)
    invisible = datetime.fromisoformat(call["time_next_visible"]) - inserted
    assert timedelta(minutes=9) < invisible < timedelta(minutes=11)

    async def is_empty() -> bool:
        return await count(work.queue) == 0

    await until(is_empty)
    assert len(await work.calls(1)) == 1
    assert await count(work.poison) == 0


async def test_many_messages_are_worked_side_by_side(work: Work) -> None:
    for number in range(20):
        await work.send(f"hang {number}")
    calls = await work.calls(16)
    assert len({call["body"] for call in calls}) == len(calls)


async def test_a_failing_message_is_tried_again_after_its_pause_and_then_poison(work: Work) -> None:
    await work.send("fail é")
    first, second = await work.calls(2)
    assert (first["dequeue_count"], second["dequeue_count"]) == (1, 2)
    assert first["id"] == second["id"]
    assert 0.9 < second["at"] - first["at"] < 3

    async def is_poison() -> bool:
        return await count(work.poison) == 1 and await count(work.queue) == 0

    await until(is_poison)
    poison = await work.poison.receive_message()
    assert poison is not None
    assert base64.b64decode(poison.content).decode() == "fail é"
    await work.app.until_logged("ValueError: fail é")


async def test_what_is_no_base64_goes_to_poison_without_a_call(work: Work) -> None:
    await work.queue.send_message("no base64!")

    async def is_poison() -> bool:
        return await count(work.poison) == 1 and await count(work.queue) == 0

    await until(is_poison)
    poison = await work.poison.receive_message()
    assert poison is not None
    assert poison.content == "no base64!"
    assert await work.calls(0) == []


async def test_a_message_whose_worker_was_killed_stays_invisible(work: Work) -> None:
    await work.send("hang")
    await work.calls(1)
    worker = int(await work.app.text("process"))
    os.kill(worker, signal.SIGKILL)
    await work.app.until_logged("The worker ended")
    assert int(await work.app.text("process")) != worker
    # The new worker takes messages, and this one is not among them.
    await work.send("next")
    assert [call["body"] for call in await work.calls(1)] == ["next"]
    assert await work.queue.peek_messages() == []


async def test_a_message_stays_invisible_for_as_long_as_its_function_runs(storage_account: StorageAccount) -> None:
    calls: list[str] = []
    longer_than_invisible = 2.5

    async def call(function: Function, header: Mapping[str, Any], body: bytes) -> None:
        calls.append(body.decode())
        await asyncio.sleep(longer_than_invisible)

    environ = {"AzureWebJobsStorage": storage_account.connection_string}
    function = Function("work", {"type": "queueTrigger", "queueName": QUEUE, "connection": "AzureWebJobsStorage"})
    async with QueueClient.from_connection_string(storage_account.connection_string, QUEUE) as queue:
        await queue.create_queue()
        await queue.send_message("long")
        options = QueueOptions(max_polling_interval=0.1, base64=False)
        listener = QueueListener(function, options, environ, call, invisible_seconds=1)
        listener.start()

        async def is_empty() -> bool:
            return await count(queue) == 0

        await until(is_empty)
        await listener.stop_polling()
        await listener.close()
    assert calls == ["long"]


async def test_a_function_can_be_run_by_hand(work: Work) -> None:
    async with work.app.session.post(f"{work.app.url}/admin/functions/WORK", json={"input": "by hand"}) as answer:
        assert answer.status == 202
    (call,) = await work.calls(1)
    assert (call["body"], call["dequeue_count"]) == ("by hand", 1)
    assert await work.app.status("POST", "/admin/functions/nothing", json={"input": ""}) == 404
    assert await work.app.status("POST", "/admin/functions/work", data=b"no json") == 400


async def test_a_function_without_its_connection_is_named_and_the_rest_runs(work: Work) -> None:
    await work.app.until_logged("Function unconnected does not run: there is no setting NO_SUCH_SETTING")
    assert await work.calls(0) == []
