"""Executions are listed and read by those who may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shared.errors import BadRequestError, NotFoundError
from shared.handlers.executions_handlers import get_execution, get_logs, get_result, get_variables, list_executions
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionListQuery, ExecutionLogsQuery
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN, OTHER_USER, USER
from tests.support.calls import call
from tests.support.executions import new_record, success

App = Callable[[], Storage]


async def added(a: int, principal=USER) -> str:  # type: ignore[no-untyped-def]
    request = ExecuteRequest(workflow_name="add", input_data={"a": a})
    return (await execute_workflow_handler(request, principal)).answer.execution_id


def query(**fields: object) -> ExecutionListQuery:
    return ExecutionListQuery.model_validate(fields)


async def test_the_list_is_newest_first_and_its_entries_are_summaries(app: App):
    ids = [await added(number) for number in range(3)]
    page = await list_executions(query(), ADMIN)
    assert [execution.execution_id for execution in page.executions] == ids[::-1]
    assert page.continuation_token is None
    shown = page.executions[0].model_dump(by_alias=True)
    assert (shown["workflowName"], shown["status"], shown["executedBy"]) == ("add", "Success", "user-1")
    assert not {"inputData", "result", "logs", "variables", "details"} & set(shown)


async def test_pages_follow_each_other_without_gap_or_repeat(app: App):
    ids = [await added(number) for number in range(5)]
    found: list[str] = []
    token = None
    while True:
        page = await list_executions(query(limit=2, continuationToken=token), ADMIN)
        found += [execution.execution_id for execution in page.executions]
        token = page.continuation_token
        if token is None:
            break
    assert found == ids[::-1]


async def test_users_see_their_own_and_admins_see_all(app: App):
    mine, theirs = await added(1, USER), await added(2, OTHER_USER)
    assert [e.execution_id for e in (await list_executions(query(), USER)).executions] == [mine]
    assert [e.execution_id for e in (await list_executions(query(), ADMIN)).executions] == [theirs, mine]
    assert (await get_execution(mine, USER)).execution_id == mine
    for find in (get_execution, get_result):
        with pytest.raises(NotFoundError):
            await find(theirs, USER)


async def test_filters_find_what_they_say(app: App):
    await added(1)
    await execute_workflow_handler(ExecuteRequest(workflow_name="fails"), ADMIN)
    by_name = await list_executions(query(workflowName="fails"), ADMIN)
    assert [e.workflow_name for e in by_name.executions] == ["fails"]
    by_status = await list_executions(query(status="Success"), ADMIN)
    assert [e.workflow_name for e in by_status.executions] == ["add"]
    assert (await list_executions(query(endDate="2020-01-01T00:00:00Z"), ADMIN)).executions == []
    assert len((await list_executions(query(startDate="2020-01-01T00:00:00Z"), ADMIN)).executions) == 2


@pytest.mark.parametrize("token", ["nonsense", "YWJj", "..", "a" * 900])
async def test_a_token_that_is_none_is_a_bad_request(app: App, token: str):
    with pytest.raises(BadRequestError, match="continuationToken"):
        await list_executions(query(continuationToken=token), ADMIN)


@pytest.mark.parametrize(
    "execution_id",
    ["nonsense", "", "00000000-0000-0000-0000-000000000000", "01a208e8-207f-7dec-923b-02a182093ae8", "' or 1 eq 1"],
)
async def test_an_unknown_id_is_not_found(app: App, execution_id: str):
    for find in (get_execution, get_result, get_variables):
        with pytest.raises(NotFoundError, match="no execution of this id"):
            await find(execution_id, ADMIN)


async def test_reading_an_execution_costs_one_table_call(app: App):
    execution_id = await added(1)
    with count_storage_calls() as calls:
        await get_execution(execution_id, ADMIN)
    assert calls.total == calls.tables == 1


async def test_the_parts_of_an_execution_can_be_read_alone(app: App):
    execution_id = await added(1)
    result = await get_result(execution_id, USER)
    assert (result.result, result.result_type, result.status) == ({"sum": 2}, "json", "Success")
    logs = await get_logs(execution_id, ExecutionLogsQuery(), ADMIN)
    assert [line["message"] for line in logs.logs] == ["adding"]
    assert logs.cursor == 1
    later = await get_logs(execution_id, ExecutionLogsQuery(after=1, wait=20), ADMIN)
    assert (later.logs, later.cursor) == ([], 1)
    assert (await get_variables(execution_id, ADMIN)).variables == {}


async def test_waiting_for_log_lines_ends_when_there_are_some(app: App):
    accepted = (
        await execute_workflow_handler(ExecuteRequest(workflow_name="add_later", input_data={"a": 1}), ADMIN)
    ).answer
    waiting = asyncio.create_task(get_logs(accepted.execution_id, ExecutionLogsQuery(wait=20), ADMIN))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    await get_services().executor.run_queued(f'{{"execution_id": "{accepted.execution_id}"}}')
    logs = await asyncio.wait_for(waiting, 10)
    assert [line["message"] for line in logs.logs] == ["adding later"]


async def test_what_went_wrong_stands_in_error_and_in_error_message(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    failed = (await call("workflows_execute", body={"workflowName": "fails"})).body["executionId"]
    went_well = (await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 1}})).body
    detail = (await call("executions_get", {"executionId": failed})).body
    listed = {each["executionId"]: each for each in (await call("executions_list")).body["executions"]}
    for shown in (detail, listed[failed]):
        assert shown["error"] == shown["errorMessage"] == "because"
    assert listed[went_well["executionId"]]["errorMessage"] is None


async def test_a_duration_is_a_whole_number_of_milliseconds_also_of_what_was_stored_with_fractions(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    outcome = {"attempt": 1, "details": None, "durationMs": 7.6, "logs": []}
    record = new_record(scope="GLOBAL", attempt=2, attempts=[outcome])
    stored = get_services().executions
    await stored.finish(await stored.create(record), success(duration_ms=12.51))
    detail = (await call("executions_get", {"executionId": record.execution_id})).body
    (listed,) = (await call("executions_list")).body["executions"]
    ran = (await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 1}})).body
    assert [detail["durationMs"], listed["durationMs"], detail["attempts"][0]["durationMs"]] == [13, 13, 8]
    assert all(type(shown["durationMs"]) is int for shown in (detail, listed, ran))
    waits = (await call("workflows_execute", body={"workflowName": "add_later", "inputData": {"a": 1}})).body
    assert (await call("executions_get", {"executionId": waits["executionId"]})).body["durationMs"] is None
