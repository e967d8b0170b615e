"""What a queue message does: the execution that it names is run once, and a message that names none harms nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionDetail
from shared.registry import get_registry
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN, USER

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


@pytest.mark.parametrize(
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
async def test_a_message_that_names_no_execution_is_logged_and_dropped(
    app: App, text: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING, logger="shared.executions.executor"):
        await get_services().executor.run_queued(text)
    assert "dropped" in caplog.text


async def test_a_message_for_an_unknown_execution_is_logged_and_dropped(app: App, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="shared.executions.executor"):
        await deliver("01a208e8-207f-7dec-923b-02a182093ae8", org_id="nobody's")
    assert caplog.text.count("dropped") == 1
