"""What callers of endpoints are told: of runs that failed, of calls made again, by a workflow's own answers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflow_keys_handlers import create_key
from shared.models.workflow_keys import WorkflowKeyCreate
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

DOORS = """
import asyncio

from shared.context import EndpointResponse, ExecutionContext
from shared.decorators import workflow
from shared.errors import UserError

ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
runs = []


class OutOfStockError(UserError):
    status_code = 409


def ends(how: str):
    runs.append(how)
    match how:
        case "raise":
            raise ValueError("the password is swordfish")
        case "refuse":
            raise UserError("Come back tomorrow")
        case "missing":
            raise UserError("No such order", status_code=404)
        case "own":
            raise OutOfStockError("None left")
        case "unwell":
            return {"success": False, "error": "two failed"}
        case "bytes":
            return EndpointResponse(b"\\xff\\x00", 201, {"X-Mine": "1", "Content-Type": "image/png"})
        case "stock":
            return EndpointResponse({"error": "out of stock"}, 422, {"X-Reason": "stock"})
        case "empty":
            return EndpointResponse(None, 204)
        case "broken":
            return EndpointResponse("sorry", 999, {"X-Bad": "a\\r\\nb", "X-Good": "1"})
        case _:
            return how


@workflow(name="door", execution_mode="sync", endpoint_enabled=True, allowed_methods=ALL)
def door(how: str = "well"):
    return ends(how)


@workflow(name="open_door", execution_mode="sync", endpoint_enabled=True, public_endpoint=True)
def open_door(how: str = "well"):
    return ends(how)


@workflow(name="slow_door", execution_mode="sync", endpoint_enabled=True, timeout_seconds=1)
async def slow_door():
    await asyncio.sleep(30)


@workflow(name="later_door", endpoint_enabled=True)
def later_door(how: str = "well"):
    return ends(how)
"""
ANYBODY = {"x-dev-principal": "anonymous"}


@pytest_asyncio.fixture
async def doors(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    (tmp_path / "flows" / "answers_of_the_test.py").write_text(DOORS)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield app
    for task in list(get_services().keys._background):
        await task
    sys.modules.pop("answers_of_the_test", None)


async def a_key() -> dict[str, str]:
    return {"x-functions-key": (await create_key(WorkflowKeyCreate(), ADMIN)).raw_key}


async def post(name: str, headers: dict[str, str], how: str | None = None, **more: str) -> Called:
    body = {"how": how} if how is not None else {}
    return await call("endpoints_post", {"workflowName": name}, headers={**headers, **more}, body=body)


async def test_a_failed_run_is_an_error_that_names_its_execution(doors: App):
    key = await a_key()
    for how, status, message in (
        ("raise", 500, "the password is swordfish"),
        ("refuse", 400, "Come back tomorrow"),
        ("missing", 404, "No such order"),
        ("own", 409, "None left"),
    ):
        answer = await post("door", key, how)
        assert (answer.status, answer.body["error"], answer.body["message"]) == (status, "WorkflowFailed", message)
        record = await get_execution(answer.body["details"]["executionId"], ADMIN)
        assert (record.status, record.error) == ("Failed", message)
        assert answer.body["details"]["errorType"] == record.error_type


async def test_anybody_is_told_a_user_errors_message_and_of_no_other_failure_a_word(doors: App):
    bad = await post("open_door", ANYBODY, "raise")
    assert (bad.status, bad.body["error"], bad.body["message"]) == (500, "WorkflowFailed", "The workflow failed")
    assert set(bad.body["details"]) == {"executionId", "status"}
    assert "swordfish" not in str(bad.body)
    polite = await post("open_door", ANYBODY, "own")
    assert (polite.status, polite.body["message"]) == (409, "None left")


async def test_a_run_that_took_too_long_is_a_504(doors: App):
    answer = await post("slow_door", await a_key())
    assert (answer.status, answer.body["error"]) == (504, "WorkflowTimeout")
    assert (await get_execution(answer.body["details"]["executionId"], ADMIN)).status == "Timeout"


async def test_success_that_is_none_is_told_with_200_and_wrong_parameters_with_400(doors: App):
    key = await a_key()
    unwell = await post("door", key, "unwell")
    assert (unwell.status, unwell.body["status"], unwell.body["error"]) == (200, "CompletedWithErrors", "two failed")
    wrong = await call("endpoints_post", {"workflowName": "door"}, headers=key, body={"how": [1]})
    assert (wrong.status, wrong.body["error"]) == (400, "ValidationError")
    assert (await post("later_door", key, "raise")).status == 202


async def test_a_direct_call_of_the_same_workflow_stays_a_200(doors: App):
    answer = await call("workflows_execute_named", {"workflowName": "door"}, body={"inputData": {"how": "missing"}})
    assert (answer.status, answer.body["status"], answer.body["error"]) == (200, "Failed", "No such order")


async def test_a_call_that_is_made_again_gets_the_first_answer_with_status_body_and_headers(doors: App):
    key = await a_key()
    for how in ("well", "raise", "missing", "own", "unwell", "bytes", "stock", "empty", "broken"):
        headers = {**key, "idempotency-key": how}
        first, second = [await post("door", headers, how) for _ in range(2)]
        assert second.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert (second.status, second.body) == (first.status, first.body)
        assert {**second.headers, "Idempotent-Replayed": ""} == {**first.headers, "Idempotent-Replayed": ""}
    assert (await post("door", {**key, "idempotency-key": "well"}, "else")).status == 409


async def test_a_record_of_the_release_before_which_kept_no_headers_is_still_replayed(doors: App):
    headers = {**await a_key(), "idempotency-key": "one"}
    first = await post("door", headers, "stock")
    assert first.status == 422
    (listed,) = (await call("executions_list")).body["executions"]
    store = get_services().executions
    record = await store.get("GLOBAL", listed["executionId"])
    assert record is not None
    row = await doors().table("Executions").get(record.keys.partition, record.keys.main)
    assert row is not None
    values = {
        name: value for name, value in row.values.items() if name not in ("response", "rerunOf", "errorStatusCode")
    }
    await doors().table("Executions").update(record.keys.partition, record.keys.main, values, row.etag, "replace")
    again = await post("door", headers, "stock")
    assert (again.status, again.body["result"]["statusCode"]) == (200, 422)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_an_answer_that_can_not_be_sent_as_it_is_says_so_in_the_runs_log(doors: App):
    answer = await post("door", await a_key(), "broken")
    assert (answer.status, answer.body, answer.headers["X-Good"]) == (500, "sorry", "1")
    (listed,) = (await call("executions_list")).body["executions"]
    record = await get_execution(listed["executionId"], ADMIN)
    lines = [entry["message"] for entry in record.logs or []]
    assert [line for line in lines if "status_code" in line]
    assert [line for line in lines if "X-Bad" in line]


async def test_every_method_can_be_declared(doors: App):
    key = await a_key()
    for method in ("get", "post", "put", "patch", "delete", "options"):
        answer = await call(f"endpoints_{method}", {"workflowName": "door"}, headers=key, query={"how": method})
        assert (answer.status, answer.body["result"]) == (200, method)


async def test_a_head_runs_the_workflow_and_is_answered_without_a_body(doors: App):
    key, path = await a_key(), {"workflowName": "door"}
    headed = await call("endpoints_head", path, headers=key, query={"how": "stock"})
    assert (headed.status, headed.body, headed.headers["X-Reason"]) == (422, None, "stock")
    failed = await call("endpoints_head", path, headers=key, query={"how": "raise"})
    assert (failed.status, failed.body) == (500, None)
    assert (await call("endpoints_head", {"workflowName": "open_door"}, headers=key)).status == 405
