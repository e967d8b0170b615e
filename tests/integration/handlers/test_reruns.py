"""A rerun is the first run once more, with what is given laid over its input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import call

App = Callable[[], Storage]


@pytest.fixture(autouse=True)
def local(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()


async def test_a_rerun_lays_what_it_is_given_over_the_first_input_and_names_the_first():
    first = (await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 4, "b": 2}})).body
    path = {"executionId": first["executionId"]}
    answer = await call("executions_rerun", path, body={"inputData": {"b": 10}})
    assert (answer.status, answer.body["result"]) == (200, {"sum": 14})
    shown = (await call("executions_get", {"executionId": answer.body["executionId"]})).body
    assert (shown["rerunOf"], shown["inputData"]) == (first["executionId"], {"a": 4, "b": 10})
    assert (await call("executions_get", path)).body["rerunOf"] is None
    assert (await call("executions_rerun", path)).body["result"] == {"sum": 6}
    assert (await call("executions_rerun", path, body={"inputData": None})).body["result"] == {"sum": 6}


async def test_a_wrong_input_or_field_is_refused_and_nothing_is_run():
    first = (await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 4}})).body
    path = {"executionId": first["executionId"]}
    refused = await call("executions_rerun", path, body={"inputData": {"a": "x", "c": 1}})
    assert [error["loc"] for error in refused.body["details"]["errors"]] == [["a"], ["c"]]
    unknown = await call("executions_rerun", path, body={"input": {}})
    assert (unknown.status, "did you mean 'inputData'?" in unknown.body["message"]) == (400, True)
    assert len((await call("executions_list")).body["executions"]) == 1


async def test_a_rerun_from_the_queue_keeps_what_it_reruns():
    body = {"workflowName": "add_later", "inputData": {"a": 1}}
    first = (await call("workflows_execute", body=body)).body["executionId"]
    answer = await call("executions_rerun", {"executionId": first}, body={"inputData": {"a": 7}})
    assert answer.status == 202
    again = answer.body["executionId"]
    await get_services().executor.run_queued(f'{{"execution_id": "{again}", "attempt": 1}}')
    detail = await get_execution(again, ADMIN)
    assert (detail.result, detail.rerun_of) == ({"sum": 8}, first)
