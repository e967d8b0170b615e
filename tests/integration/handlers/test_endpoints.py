"""Endpoints and access keys: what they run, what is recorded, and who sees what of it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared.access import keys as access_keys
from shared.access.keys import KeyRing
from shared.errors import InvalidInputError, UnauthorizedError
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflow_keys_handlers import create_key, list_keys, revoke_key
from shared.models.workflow_keys import CreatedWorkflowKey, WorkflowKeyCreate, WorkflowKeyListQuery
from shared.repositories.workflow_keys import TABLE, WorkflowKeyRepository, hash_of
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

DOORS = """
from shared.context import EndpointResponse, ExecutionContext
from shared.decorators import workflow


@workflow(name="shout", execution_mode="sync", endpoint_enabled=True, allowed_methods=["GET", "POST"])
def shout(context: ExecutionContext, text: str, times: int = 1, loud: bool = False):
    return {"text": text * times, "loud": loud, "caller": context.user_id, "is_key": context.is_function_key}


@workflow(name="own_keys", execution_mode="sync", endpoint_enabled=True, disable_global_key=True)
def own_keys():
    return "in"


@workflow(name="closed", execution_mode="sync")
def closed():
    return "never"


@workflow(name="answers", execution_mode="sync", endpoint_enabled=True)
def answers():
    return EndpointResponse("<p>made</p>", 201, {"Content-Type": "text/html", "X-Mine": "1", "Set-Cookie": "a=b"})


@workflow(name="open_house", execution_mode="sync", endpoint_enabled=True, public_endpoint=True)
def open_house(context: ExecutionContext):
    return context.user_id


@workflow(name="open_later", endpoint_enabled=True, public_endpoint=True)
def open_later(context: ExecutionContext, body: str = ""):
    request = context.request
    return {"raw": request.body.decode(), "body": body, "headers": dict(request.headers)}
"""

ANYBODY = {"x-dev-principal": "anonymous"}


@pytest_asyncio.fixture
async def doors(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Storage]]:
    (tmp_path / "flows" / "endpoints_of_the_test.py").write_text(DOORS)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield app
    await settle()
    sys.modules.pop("endpoints_of_the_test", None)


async def settle() -> None:
    for task in list(get_services().keys._background):
        await task


async def new_key(**fields: Any) -> CreatedWorkflowKey:
    return await create_key(WorkflowKeyCreate(**fields), ADMIN)


async def post(name: str, headers: dict[str, str], body: Any = None, **fields: Any) -> Called:
    return await call("endpoints_post", {"workflowName": name}, headers=headers, body=body, **fields)


def bearing(key: CreatedWorkflowKey) -> dict[str, str]:
    return {"x-functions-key": key.raw_key}


async def test_a_keys_call_runs_with_query_and_body_and_is_recorded_as_the_keys(doors: App):
    key = await new_key(description="shop")
    answer = await post("shout", bearing(key), {"text": "b"}, query={"text": "q", "times": "2", "code": "secret"})
    assert (answer.status, answer.body["status"]) == (200, "Success")
    assert answer.body["result"] == {"text": "bb", "loud": False, "caller": f"key:{key.id}", "is_key": True}
    assert answer.body["logs"] is None
    record = await get_execution(answer.body["executionId"], ADMIN)
    assert (record.executed_by, record.executed_by_name) == (f"key:{key.id}", "shop")
    assert record.input_data == {"text": "b", "times": "2"}


async def test_a_get_takes_its_parameters_from_the_query(doors: App):
    key = await new_key()
    query = {"text": "a", "times": "3", "loud": "true"}
    answer = await call("endpoints_get", {"workflowName": "shout"}, headers=bearing(key), query=query)
    assert (answer.body["result"]["text"], answer.body["result"]["loud"]) == ("aaa", True)


async def test_a_form_is_taken_too_and_bad_input_is_named(doors: App):
    key = await new_key()
    headers = {**bearing(key), "content-type": "application/x-www-form-urlencoded"}
    assert (await post("shout", headers, raw=b"text=a&times=2")).body["result"]["text"] == "aa"
    refused = await post("shout", headers, raw=b"times=many")
    assert (refused.status, refused.body["error"]) == (400, "ValidationError")


@pytest.mark.parametrize(
    ("name", "route", "status"),
    [("closed", "endpoints_post", 404), ("nothing", "endpoints_post", 404), ("shout", "endpoints_delete", 405)],
)
async def test_what_is_no_endpoint_or_not_its_method_is_refused(doors: App, name: str, route: str, status: int):
    answer = await call(route, {"workflowName": name}, headers=bearing(await new_key()))
    assert answer.status == status
    if status == 405:
        assert answer.headers["Allow"] == "GET, POST"


async def test_a_stranger_can_not_tell_what_is_there(doors: App):
    answers = [await post(name, ANYBODY) for name in ("shout", "closed", "nothing")]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert len({str(answer.body) for answer in answers}) == 1


async def test_a_key_of_one_workflow_opens_no_other(doors: App):
    key = await new_key(workflow_id="own_keys")
    assert (await post("own_keys", bearing(key))).body["result"] == "in"
    assert [(await post(name, bearing(key))).status for name in ("shout", "nothing")] == [403, 403]


async def test_a_workflow_that_takes_only_its_own_keys_refuses_a_global_one(doors: App):
    assert (await post("own_keys", bearing(await new_key()))).status == 403


async def test_a_key_can_close_its_workflow_to_global_keys_until_it_is_revoked(doors: App):
    before = await new_key()
    assert (await post("shout", bearing(before), {"text": "a"})).status == 200
    own = await new_key(workflow_id="shout", disable_global_key=True)
    after = await new_key()
    for key, status in ((before, 403), (after, 403), (own, 200)):
        assert (await post("shout", bearing(key), {"text": "a"})).status == status
    await revoke_key(own.id, ADMIN)
    for key, status in ((before, 200), (after, 200), (own, 401)):
        assert (await post("shout", bearing(key), {"text": "a"})).status == status


async def test_a_key_for_nothing_that_exists_is_not_made(doors: App):
    with pytest.raises(InvalidInputError):
        await new_key(workflow_id="nothing")
    with pytest.raises(InvalidInputError):
        await new_key(disable_global_key=True)


async def test_the_raw_key_is_shown_once_and_stored_and_logged_nowhere(doors: App, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    created = await call("workflow_keys_create", body={"description": "once", "expiresInDays": 1})
    raw_key = created.body["rawKey"]
    assert raw_key.startswith("wk_")
    assert len(raw_key) == 46
    answer = await post("shout", {"authorization": f"Bearer {raw_key}"}, {"text": "a"})
    listed = await call("workflow_keys_list")
    stored = await doors().table(TABLE).query("GLOBAL", above="", below="g", limit=10)
    for text in (caplog.text, str(listed.body), str(stored.rows), str(answer.body)):
        assert raw_key not in text
    assert listed.body[0]["maskedKey"] == f"wk_…{raw_key[-4:]}"
    assert "rawKey" not in listed.body[0]


async def test_a_call_reads_storage_once_for_its_key_and_then_not_at_all(doors: App):
    key = await new_key()
    ring = KeyRing(WorkflowKeyRepository(doors()))
    ring._record_use = lambda key: None  # type: ignore[method-assign]
    with count_storage_calls() as counter:
        await ring.open(key.raw_key)
        await ring.open(key.raw_key)
    assert counter.total == 1
    with count_storage_calls() as counter:
        with pytest.raises(UnauthorizedError):
            await ring.open("wk_short")
        for _ in range(2):
            with pytest.raises(UnauthorizedError):
                await ring.open("wk_" + "A" * 43)
    assert counter.total == 1


async def test_another_process_refuses_a_revoked_key_within_thirty_seconds(doors: App, monkeypatch: pytest.MonkeyPatch):
    assert access_keys.TTL_SECONDS <= 30
    key = await new_key()
    other = KeyRing(WorkflowKeyRepository(doors()))
    await other.open(key.raw_key)
    await revoke_key(key.id, ADMIN)
    now = access_keys.time.monotonic
    monkeypatch.setattr(access_keys.time, "monotonic", lambda: now() + access_keys.TTL_SECONDS)
    with pytest.raises(UnauthorizedError):
        await other.open(key.raw_key)
    await asyncio.gather(*other._background)


async def test_a_key_ends_when_it_expires_though_it_is_remembered(doors: App, monkeypatch: pytest.MonkeyPatch):
    key = await new_key(expires_in_days=1)
    ring = get_services().keys
    await ring.open(key.raw_key)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=1)

    await settle()
    monkeypatch.setattr(access_keys, "datetime", Tomorrow)
    with pytest.raises(UnauthorizedError):
        await ring.open(key.raw_key)


async def test_last_use_is_noted_once_an_hour(doors: App):
    key = await new_key()
    for _ in range(3):
        await post("shout", bearing(key), {"text": "a"})
    await settle()
    (first,) = await list_keys(WorkflowKeyListQuery(), ADMIN)
    assert first.last_used_at is not None
    found = await WorkflowKeyRepository(doors()).find(hash_of(key.raw_key))
    assert found is not None
    repository = WorkflowKeyRepository(doors())
    await repository.record_use(found, first.last_used_at + timedelta(minutes=59))
    assert (await list_keys(WorkflowKeyListQuery(), ADMIN))[0].last_used_at == first.last_used_at
    await repository.record_use(found, first.last_used_at + timedelta(minutes=60))
    assert (await list_keys(WorkflowKeyListQuery(), ADMIN))[0].last_used_at == first.last_used_at + timedelta(
        minutes=60
    )


async def test_an_answer_of_the_workflows_own_is_the_answer_and_the_record_keeps_it(doors: App):
    answer = await post("answers", bearing(await new_key()))
    assert (answer.status, answer.body, answer.headers["X-Mine"]) == (201, "<p>made</p>", "1")
    assert answer.headers["Content-Type"] == "text/html"
    assert "Set-Cookie" not in answer.headers
    listed = await call("executions_list")
    record = await get_execution(listed.body["executions"][0]["executionId"], ADMIN)
    assert (record.status, record.result) == ("Success", {"statusCode": 201, "body": "<p>made</p>"})


async def test_anybody_may_call_a_public_endpoint_in_the_global_scope(doors: App):
    answer = await post("open_house", ANYBODY)
    assert (answer.status, answer.body["result"]) == (200, "public:anonymous")
    record = await get_execution(answer.body["executionId"], ADMIN)
    assert (record.executed_by, record.org_id) == ("public:anonymous", None)
    assert (await call("executions_get", {"executionId": record.execution_id}, headers=ANYBODY)).status == 401


async def test_a_public_callers_token_opens_the_result_and_nothing_else_does(doors: App):
    sent = b"plain words"
    headers = {**ANYBODY, "content-type": "text/plain", "x-hub-signature-256": "sha256=1", "cookie": "a=b"}
    accepted = await post("open_later", headers, raw=sent)
    execution_id = accepted.body["executionId"]
    link = f"/api/executions/{execution_id}/result"
    assert accepted.status == 202
    assert accepted.body["links"] == {"self": link, "logs": None, "cancel": None}
    assert accepted.headers["Location"] == link
    await get_services().executor.run_queued(f'{{"execution_id": "{execution_id}"}}')
    path = {"executionId": execution_id}
    token = {**ANYBODY, "x-result-token": accepted.body["resultToken"]}
    result = await call("executions_result", path, headers=token)
    assert (result.status, result.body["status"]) == (200, "Success")
    assert (result.body["result"]["raw"], result.body["result"]["body"]) == ("plain words", "plain words")
    assert set(result.body["result"]["headers"]) == {"content-type", "x-hub-signature-256"}
    for name in ("executions_get", "executions_cancel", "executions_logs"):
        assert (await call(name, path, headers=token)).status == 401
    assert (await call("executions_result", path, headers=ANYBODY)).status == 401
    wrong = {**ANYBODY, "x-result-token": "x"}
    assert (await call("executions_result", path, headers=wrong)).status == 404
    own = await post("open_house", ANYBODY)
    other = await call("executions_result", {"executionId": own.body["executionId"]}, headers=token)
    assert other.status == 404


async def test_a_key_opens_the_executions_it_began_and_no_others(doors: App):
    key, other = await new_key(), await new_key()
    accepted = await post("open_later", bearing(key))
    own = f"/api/executions/{accepted.body['executionId']}"
    assert accepted.body["links"] == {"self": own, "logs": None, "cancel": f"{own}/cancel"}
    assert accepted.body["resultToken"] is None
    path = {"executionId": accepted.body["executionId"]}
    for name, mine, theirs in (
        ("executions_get", 200, 404),
        ("executions_result", 200, 404),
        ("executions_logs", 403, 403),
        ("executions_cancel", 202, 404),
    ):
        assert (await call(name, path, headers=bearing(other))).status == theirs
        assert (await call(name, path, headers=bearing(key))).status == mine


async def test_a_repeated_key_call_is_replayed_and_a_public_one_is_not(doors: App):
    headers = {**bearing(await new_key()), "idempotency-key": "one"}
    first, second = [await post("shout", headers, {"text": "a"}) for _ in range(2)]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.body["executionId"] == second.body["executionId"]
    assert (await post("shout", headers, {"text": "b"})).status == 409
    public = [await post("open_house", {**ANYBODY, "idempotency-key": "one"}) for _ in range(2)]
    assert public[0].body["executionId"] != public[1].body["executionId"]


async def test_a_key_and_a_public_endpoint_have_so_many_calls_a_minute(doors: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENDPOINT_RATE_PER_MINUTE", "2")
    monkeypatch.setenv("PUBLIC_RATE_PER_MINUTE", "1")
    get_settings.cache_clear()
    key, other = await new_key(), await new_key()
    answers = [await post("shout", bearing(key), {"text": "a"}) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[2].body["error"], answers[2].headers["Retry-After"]) == ("TooManyRequests", "30")
    assert (await post("shout", bearing(other), {"text": "a"})).status == 200
    assert [(await post("open_house", ANYBODY)).status for _ in range(2)] == [200, 429]
