"""An execution whose message can't be sent waits, and is sent as soon as the queue is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from azure.storage.queue import QueueClient

from shared.context import Caller
from shared.engine import ExecutionRequest
from shared.errors import StorageUnavailableError
from shared.executions.executor import Executor
from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.services import Services
from shared.repositories.executions.record import ExecutionFilters, ExecutionRecord
from shared.repositories.executions.store import ExecutionStore
from shared.repositories.ids import new_execution_id
from shared.storage import Storage
from tests.support.accounts import StorageAccount
from tests.support.proxy import Exchange, StorageProxy

App = Callable[[], Storage]


def new_request(workflow: str = "add_later") -> ExecutionRequest:
    return ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=Caller("u1", name="U One"),
        name=workflow,
        parameters={"a": 1},
        use="workflow",
    )


@pytest.fixture
def executions(proxied: Storage) -> ExecutionStore:
    return ExecutionStore(proxied)


@pytest.fixture
def executor(executions: ExecutionStore, proxied: Storage) -> Executor:
    return Services(proxied).executor


async def read(executions: ExecutionStore, execution_id: str) -> ExecutionRecord:
    record = await executions.get("GLOBAL", execution_id)
    assert record is not None
    return record


async def test_with_the_queue_out_of_reach_an_execution_is_taken_and_its_message_sent_later(
    app: App, proxy: StorageProxy, proxied: Storage, executions: ExecutionStore, executor: Executor
):
    waiting_already = await executor.submit(new_request())
    proxy.refuse(lambda exchange: exchange.service == "queue")
    submission = await executor.submit(new_request())
    execution_id = submission.record.execution_id
    assert (await read(executions, execution_id)).status == "Pending"
    recovery = Services(proxied).recovery
    with pytest.raises(StorageUnavailableError):
        await recovery.recover()
    proxy.refuse(None)
    assert (await recovery.recover()).sent == 1
    assert (await recovery.recover()).sent == 0
    assert await app().queue(EXECUTION_QUEUE).length() == 2
    assert not (await read(executions, execution_id)).is_unsent
    # The one whose message lies in the queue was left alone.
    assert (await read(executions, waiting_already.record.execution_id)).due_at is None


async def test_nothing_is_sent_for_a_record_that_could_not_be_written(
    app: App, proxy: StorageProxy, executions: ExecutionStore, executor: Executor
):
    proxy.refuse(lambda exchange: exchange.service == "table")
    with pytest.raises(StorageUnavailableError):
        await executor.submit(new_request())
    proxy.refuse(None)
    assert await app().queue(EXECUTION_QUEUE).length() == 0
    assert await executions.list("GLOBAL", ExecutionFilters(), limit=10) == ([], None)


async def test_with_all_of_storage_gone_right_after_the_record_its_message_is_sent_later_all_the_same(
    app: App,
    proxy: StorageProxy,
    proxied: Storage,
    executions: ExecutionStore,
    executor: Executor,
    storage_account: StorageAccount,
    monkeypatch: pytest.MonkeyPatch,
):
    await executor.submit(new_request())
    gone: list[bool] = []

    def is_refused(exchange: Exchange) -> bool:
        # From the first message on nothing reaches storage, so not even that it was not sent can be noted.
        if exchange.service == "queue":
            gone.append(True)
        return bool(gone)

    proxy.refuse(is_refused)
    execution_id = (await executor.submit(new_request())).record.execution_id
    proxy.refuse(None)
    # Times of messages are whole seconds.
    monkeypatch.setattr("shared.executions.recovery.UNSENT_AFTER_SECONDS", 2.0)
    recovery = Services(proxied).recovery
    # The message before it lies in the queue still, so its own may lie behind.
    assert (await recovery.recover()).sent == 0
    with QueueClient.from_connection_string(storage_account.connection_string, EXECUTION_QUEUE) as queue:
        queue.clear_messages()
    monkeypatch.setattr("shared.executions.recovery.UNSENT_AFTER_SECONDS", 0.0)
    assert (await recovery.recover()).sent == 2
    assert (await read(executions, execution_id)).due_at is not None


@pytest.mark.parametrize("workflow", ["add", "add_later"])
async def test_a_record_that_was_written_although_its_caller_was_refused_says_that_nothing_was_begun(
    app: App, proxy: StorageProxy, executions: ExecutionStore, executor: Executor, workflow: str
):
    await executor.submit(new_request())
    spoiled: list[bool] = []

    def is_spoiled(exchange: Exchange) -> bool:
        # The answer to the write is lost, and then storage is away: nobody can tell whether it was written.
        if proxy.answers_lost:
            spoiled.append(True)
        return bool(spoiled)

    proxy.lose_an_answer(lambda exchange: exchange.url.endswith("$batch"))
    proxy.refuse(is_spoiled)
    request = new_request(workflow)
    with pytest.raises(StorageUnavailableError):
        await executor.submit(request)
    proxy.refuse(None)
    async with asyncio.timeout(10):
        while not (record := await read(executions, request.execution_id)).status.is_end:
            await asyncio.sleep(0.02)
    assert record.end is not None
    assert (record.status, record.end.error_type) == ("Failed", "ServiceUnavailable")
    assert record.end.error_message == f"{workflow} was not begun: storage was out of reach"
    assert await app().queue(EXECUTION_QUEUE).length() == 1
