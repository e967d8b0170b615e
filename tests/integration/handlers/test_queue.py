"""What a queue message does: the execution that it names is run once, and a message that names none harms nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from shared.errors import StorageUnavailableError
from shared.executions.queueing import POISON_QUEUE
from shared.executions.rejected import REJECTED_QUEUE
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionDetail
from shared.registry import get_registry
from shared.storage import Storage, count_storage_calls
from shared.storage.azure.queues import AzureQueue
from tests.integration.handlers.conftest import ADMIN, USER
from tests.support.accounts import StorageAccount
from tests.support.calls import functions

App = Callable[[], Storage]


async def enqueued(workflow: str = "add_later", **parameters: Any) -> str:
    request = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    return (await execute_workflow_handler(request, USER)).answer.execution_id


async def deliver(execution_id: str, **fields: Any) -> None:
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, **fields}))


async def found(execution_id: str) -> ExecutionDetail:
    return await get_execution(execution_id, ADMIN)


async def test_an_enqueued_execution_is_run_as_its_record_says(app: App):
    execution_id = await enqueued(a="20", b=22)
    # Identity, workflow and parameters are the record's; a message that says otherwise changes nothing.
    await deliver(execution_id, workflow_name="fails", user_id="somebody", parameters={"a": 1})
    record = await found(execution_id)
    assert (record.status, record.result, record.workflow_name) == ("Success", {"sum": 42}, "add_later")
    assert (record.executed_by, record.executed_by_name) == ("user-1", "User One")
    assert record.progress is not None
    assert record.progress["message"] == "half"
    assert record.logs is not None
    assert [line["message"] for line in record.logs] == ["adding later"]


async def test_running_costs_the_worker_three_table_calls_and_the_record_knows_all(app: App):
    execution_id = await enqueued(a=1)
    # Read once in a while, and not by each run.
    await get_services().configuration.of_run("GLOBAL")
    with count_storage_calls() as calls:
        await deliver(execution_id)
    assert (calls.tables, calls.queues, calls.blobs) == (3, 0, 0)
    # The first write found no table, and the first message no queue, and made them: three calls more each.
    assert ((await found(execution_id)).storage_calls or 0) >= 5
    again = await enqueued(a=1)
    await deliver(again)
    assert (await found(again)).storage_calls == 5


async def test_an_execution_is_run_once_however_often_its_message_comes(app: App):
    execution_id = await enqueued(a=1)
    await asyncio.gather(*(deliver(execution_id) for _ in range(5)))
    first = await found(execution_id)
    await deliver(execution_id)
    assert await found(execution_id) == first
    assert first.logs is not None
    assert len(first.logs) == 1


async def test_a_message_for_another_attempt_is_dropped(app: App):
    execution_id = await enqueued(a=1)
    await deliver(execution_id, attempt=2)
    assert (await found(execution_id)).status == "Pending"


async def test_a_workflow_that_is_gone_ends_its_execution_as_failed(app: App):
    execution_id = await enqueued(a=1)
    get_registry().clear_all()
    await deliver(execution_id)
    record = await found(execution_id)
    assert (record.status, record.error_type) == ("Failed", "NotFound")
    assert record.error == "There is no workflow named 'add_later'"


async def test_what_a_queued_run_raises_is_recorded(app: App):
    execution_id = await enqueued("refuses")
    await deliver(execution_id)
    record = await found(execution_id)
    assert (record.status, record.error_type, record.error) == ("Failed", "UserError", "Not today")


NOT_OURS = pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "5",
        '"text"',
        "{}",
        '{"execution_id": 5}',
        '{"execution_id": null}',
        '{"execution_id": "../../x"}',
        '{"execution_id": "00000000-0000-0000-0000-00000000000-"}',
        '{"execution_id": "01a208e8-207f-7dec-923b-02a182093ae8", "attempt": "many"}',
        '{"execution_id": "01a208e8',
        "\ufffd\ufffd",
    ],
)


Receive = Callable[[str], Any]


@pytest.fixture
def received(storage_account: StorageAccount) -> Iterator[Receive]:
    """Takes the next message of a queue as its JSON, with the seconds that it would have been kept as `kept`."""
    clients: list[QueueClient] = []

    def receive(name: str) -> Any:
        clients.append(QueueClient.from_connection_string(storage_account.connection_string, name))
        try:
            message = clients[-1].receive_message()
        except ResourceNotFoundError:
            return None
        if message is None:
            return None
        assert message.expires_on is not None
        assert message.inserted_on is not None
        kept = (message.expires_on - message.inserted_on).total_seconds()
        return {**json.loads(base64.b64decode(message.content)), "kept": kept}

    yield receive
    for client in clients:
        client.close()


UNKNOWN = json.dumps(
    {"execution_id": "01a208e8-207f-7dec-923b-02a182093ae8", "org_id": "nobody's", "user_email": "a@b.c"}
)


@NOT_OURS
async def test_a_message_that_names_no_execution_goes_to_the_poison_queue_with_the_reason(
    app: App, text: str, received: Receive, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        await get_services().executor.run_queued(text)
    moved = received(POISON_QUEUE)
    assert moved["message"] == text
    assert moved["reason"]
    assert moved["reason"] in caplog.text
    assert received(POISON_QUEUE) is None


async def test_a_message_for_an_unknown_execution_goes_to_the_poison_queue_with_the_reason(
    app: App, received: Receive, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        await get_services().executor.run_queued(UNKNOWN)
    moved = received(POISON_QUEUE)
    assert moved["message"] == UNKNOWN
    assert "01a208e8-207f-7dec-923b-02a182093ae8 is not recorded" in moved["reason"]
    assert moved["reason"] in caplog.text
    assert "a@b.c" not in caplog.text


@pytest.mark.parametrize("text", ["x" * 48_000, "\x00" * 48_000, "ü€😀" * 5_000, "\ud800"])
async def test_a_long_message_is_cut_so_that_it_fits_with_its_reason(app: App, text: str, received: Receive):
    await get_services().executor.run_queued(text)
    moved = received(POISON_QUEUE)
    assert text.startswith(moved["message"])
    assert moved["message"]
    assert moved["characters"] == len(text)


async def test_a_message_stays_where_it_is_when_the_poison_queue_is_out_of_reach(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: object, **__: object) -> None:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(AzureQueue, "send", away)
    for text in ("no json", UNKNOWN):
        for deliver_to in (get_services().executor.run_queued, get_services().executor.end_poisoned):
            with pytest.raises(StorageUnavailableError):
                await deliver_to(text)


@NOT_OURS
async def test_what_the_poison_queue_has_of_others_is_logged_and_put_aside_for_two_weeks(
    app: App, text: str, received: Receive, caplog: pytest.LogCaptureFixture
):
    # As the host moves it there itself, and as the worker does.
    await get_services().executor.run_queued(text)
    wrapped = {name: value for name, value in received(POISON_QUEUE).items() if name != "kept"}
    for arrived in (text, json.dumps(wrapped)):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            await get_services().executor.end_poisoned(arrived)
        aside = received(REJECTED_QUEUE)
        assert (aside["message"], aside["kept"]) == (text, 14 * 86_400)
        assert aside["reason"] == wrapped["reason"]
        (line,) = caplog.records
        assert (line.levelname, wrapped["reason"] in line.getMessage()) == ("ERROR", True)


async def test_a_poison_message_for_an_unknown_execution_is_put_aside_without_its_text_in_the_log(
    app: App, received: Receive, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        await get_services().executor.end_poisoned(UNKNOWN)
    aside = received(REJECTED_QUEUE)
    assert aside["message"] == UNKNOWN
    assert "is not recorded" in caplog.text
    assert "a@b.c" not in caplog.text


async def test_a_reason_that_others_wrote_can_not_write_lines_into_the_log(
    app: App, received: Receive, caplog: pytest.LogCaptureFixture
):
    forged = json.dumps({"reason": "fine\nERROR all is lost", "message": "x", "characters": 1})
    await get_services().executor.end_poisoned(forged)
    assert "all is lost" not in caplog.text
    assert received(REJECTED_QUEUE)["message"] == forged


async def test_second_messages_of_an_execution_of_ours_are_dropped_and_go_nowhere(app: App, received: Receive):
    execution_id = await enqueued(a=1)
    await deliver(execution_id, attempt=2)
    await deliver(execution_id)
    await deliver(execution_id)
    await get_services().executor.end_poisoned(json.dumps({"execution_id": execution_id}))
    assert received(POISON_QUEUE) is None
    assert received(REJECTED_QUEUE) is None


async def test_both_functions_take_bytes_that_are_no_text(app: App, received: Receive):
    message = func.QueueMessage(body=b"\xff\x00")
    await functions()["queue_worker"](message)
    assert received(POISON_QUEUE)["message"] == "\ufffd\x00"
    await functions()["queue_poison"](message)
    assert received(REJECTED_QUEUE)["message"] == "\ufffd\x00"
