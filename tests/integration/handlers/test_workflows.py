"""Workflows are listed and run, and their runs recorded, with the real engine and Azurite."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import BadRequestError, ForbiddenError, FunctionNotFoundError, InvalidInputError
from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.executions_handlers import get_execution, list_executions
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler, list_workflows
from shared.models.executions import ExecuteRequest, ExecutionAccepted, ExecutionListQuery, ExecutionResponse
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN, USER

App = Callable[[], Storage]


def body(**fields: Any) -> ExecuteRequest:
    return ExecuteRequest.model_validate(fields)


async def run(**fields: Any) -> ExecutionResponse:
    executed = await execute_workflow_handler(body(**fields), ADMIN)
    assert isinstance(executed.answer, ExecutionResponse)
    assert executed.recorded
    return executed.answer


async def records() -> int:
    return len((await list_executions(ExecutionListQuery(), ADMIN)).executions)


async def test_workflows_are_listed_with_their_parameters_and_data_providers_are_not(app: App):
    found = {workflow.name: workflow for workflow in await list_workflows()}
    assert sorted(found) == [
        "add",
        "add_later",
        "fails",
        "flaky",
        "patient",
        "patient_later",
        "refuses",
        "slow",
        "stubborn",
        "typed",
        "typed_later",
    ]
    assert found["add"].source == "workspace"
    assert [(p.name, p.type, p.required, p.default_value) for p in found["add"].parameters] == [
        ("a", "int", True, None),
        ("b", "int", False, 1),
    ]


async def test_a_sync_run_answers_with_its_result_and_is_recorded(app: App):
    answer = await run(workflowName="add", inputData={"a": "41"})
    assert (answer.status, answer.result) == ("Success", {"sum": 42})
    assert answer.logs is not None
    assert [line["message"] for line in answer.logs] == ["adding"]
    record = await get_execution(answer.execution_id, ADMIN)
    assert (record.status, record.result, record.logs) == (answer.status, answer.result, answer.logs)
    assert (record.workflow_name, record.executed_by, record.input_data) == ("add", "admin-1", {"a": "41"})
    assert record.started_at is not None
    assert record.completed_at is not None
    assert record.started_at <= record.completed_at


async def test_a_sync_run_costs_two_table_calls(app: App):
    await run(workflowName="add", inputData={"a": 1})  # makes the table
    with count_storage_calls() as calls:
        answer = await run(workflowName="add", inputData={"a": 1})
    assert (calls.tables, calls.queues, calls.blobs) == (2, 0, 0)
    assert (await get_execution(answer.execution_id, ADMIN)).storage_calls == 2


async def test_a_run_that_failed_is_an_answer_with_what_went_wrong(app: App):
    answer = await run(workflowName="fails")
    assert (answer.status, answer.error_type, answer.error) == ("Failed", "ValueError", "because")
    assert answer.details is not None
    assert answer.details["where"].startswith("flows_of_the_test.py:")
    assert answer.details["failure"]["exceptions"][0]["frames"][0]["locals"] == {"secret": "••••"}


async def test_a_run_that_takes_too_long_ends_as_timeout(app: App):
    answer = await run(workflowName="slow")
    assert (answer.status, answer.error_type) == ("Timeout", "Timeout")
    assert (await get_execution(answer.execution_id, ADMIN)).status == "Timeout"


async def test_an_async_run_is_recorded_and_enqueued(app: App):
    executed = await execute_workflow_handler(body(inputData={"a": 1}), ADMIN, "add_later")
    accepted = executed.answer
    assert isinstance(accepted, ExecutionAccepted)
    assert accepted.status == "Pending"
    assert accepted.links.self_ == f"/api/executions/{accepted.execution_id}"
    assert accepted.links.logs == f"/api/executions/{accepted.execution_id}/logs"
    assert (await get_execution(accepted.execution_id, ADMIN)).status == "Pending"
    assert await app().queue(EXECUTION_QUEUE).length() == 1


async def test_enqueueing_costs_one_table_and_one_queue_call(app: App):
    await execute_workflow_handler(body(inputData={"a": 1}), ADMIN, "add_later")
    with count_storage_calls() as calls:
        await execute_workflow_handler(body(inputData={"a": 1}), ADMIN, "add_later")
    assert (calls.tables, calls.queues, calls.blobs) == (1, 1, 0)


async def test_a_transient_run_leaves_no_record_and_is_sync_whatever_the_workflow_says(app: App):
    await get_services().configuration.of_run("GLOBAL")
    with count_storage_calls() as calls:
        answer = await run(workflowName="add_later", inputData={"a": 1}, transient=True)
    assert (answer.status, answer.result, answer.is_transient) == ("Success", {"sum": 2}, True)
    assert calls.total == 0
    assert await records() == 0


async def test_inline_code_is_run_and_its_variables_come_back(app: App):
    code = base64.b64encode(b"x = a * 2").decode()
    answer = await run(code=code, scriptName="Double it", inputData={"a": 21}, workflowName="add")
    assert (answer.status, answer.variables) == ("Success", {"x": 42})
    assert (await get_execution(answer.execution_id, ADMIN)).workflow_name == "Double it"


async def test_inline_code_is_refused_where_it_is_switched_off(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INLINE_CODE", "off")
    get_settings.cache_clear()
    with pytest.raises(ForbiddenError, match="INLINE_CODE"):
        await run(code="eA==")


@pytest.mark.parametrize("name", ["nobody", "options", "", "a/b", "x" * 63])
async def test_a_workflow_that_does_not_exist_is_not_found_and_leaves_no_record(app: App, name: str):
    with pytest.raises((FunctionNotFoundError, BadRequestError, ValueError)):
        await run(workflowName=name)
    assert await records() == 0


@pytest.mark.parametrize("workflow", ["add", "add_later"])
async def test_wrong_parameters_are_refused_before_anything_is_recorded(app: App, workflow: str):
    with pytest.raises(InvalidInputError) as caught:
        await execute_workflow_handler(body(inputData={"b": "x", "c": 1}), ADMIN, workflow)
    assert sorted((error["loc"][0], error["type"]) for error in caught.value.errors) == [
        ("a", "missing"),
        ("b", "int_parsing"),
        ("c", "unknown_parameter"),
    ]
    assert await records() == 0
    assert await app().queue(EXECUTION_QUEUE).length() == 0


async def test_neither_a_name_nor_code_is_a_bad_request(app: App):
    with pytest.raises(BadRequestError, match="workflowName"):
        await run()


async def test_two_names_that_differ_are_a_bad_request(app: App):
    with pytest.raises(BadRequestError, match=r"'add'.*'fails'"):
        await execute_workflow_handler(body(workflowName="fails"), ADMIN, "add")


async def test_a_large_result_and_input_are_kept_whole(app: App):
    text = "x" * (5 * 1024 * 1024)
    code = base64.b64encode(b"context.set_result(given)").decode()
    answer = await run(code=code, inputData={"given": text})
    record = await get_execution(answer.execution_id, ADMIN)
    assert record.result == text
    assert record.input_data == {"given": text}


async def test_who_is_no_admin_sees_neither_logs_nor_the_failures_insides(app: App):
    executed = await execute_workflow_handler(body(workflowName="fails"), USER)
    assert isinstance(executed.answer, ExecutionResponse)
    assert executed.answer.logs is None
    assert executed.answer.variables is None
    assert executed.answer.error == "because"
    assert executed.answer.details is None
