"""Endpoints that verify who calls, and know a delivery that comes again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared.handlers import delivery_checks
from shared.handlers.configuration_handlers import set_config
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflow_keys_handlers import create_key
from shared.models.configuration import ConfigWrite
from shared.models.workflow_keys import WorkflowKeyCreate
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

SECRET = "It's a Secret to Everybody"
ANYBODY = {"x-dev-principal": "anonymous"}
DOORS = """
from shared.context import EndpointResponse, ExecutionContext
from shared.decorators import workflow
from shared.errors import UserError
from shared.webhooks import verify_github

GITHUB = {"verify": "github:GITHUB", "dedupe_header": "X-GitHub-Delivery", "endpoint_enabled": True}
runs = []


@workflow(name="pushed", execution_mode="sync", public_endpoint=True, allowed_methods=["HEAD", "POST"], **GITHUB)
def pushed(context: ExecutionContext, how: str = "well"):
    runs.append(how)
    if how == "refuse":
        raise UserError("Not this branch", status_code=422)
    if how == "busy":
        return EndpointResponse("later", 503)
    return {"run": len(runs), "who": context.user_id}


@workflow(name="pushed_later", public_endpoint=True, **GITHUB)
def pushed_later(how: str = "well"):
    if how == "fail":
        raise ValueError("no")
    return how


@workflow(name="keyed", execution_mode="sync", **GITHUB)
def keyed():
    return "in"


@workflow(name="unset", execution_mode="sync", endpoint_enabled=True, public_endpoint=True, verify="github:NOWHERE")
def unset():
    return "never"


@workflow(name="told", execution_mode="sync", endpoint_enabled=True, public_endpoint=True,
          verify='token:{"query": "token", "secret": "GITHUB"}')
def told(context: ExecutionContext, **others):
    return {"others": others, "query": dict(context.request.query)}


@workflow(name="checks_itself", execution_mode="sync", endpoint_enabled=True, public_endpoint=True)
async def checks_itself(context: ExecutionContext, **others):
    verify_github(await context.get_secret("GITHUB"), context.request)
    return "in"


@workflow(name="asked", execution_mode="sync", endpoint_enabled=True, public_endpoint=True,
          allowed_methods=["GET", "POST"], verify='github:{"secret": "GITHUB", "methods": ["POST"]}')
def asked(context: ExecutionContext, challenge: str = ""):
    return EndpointResponse(challenge)
"""


@pytest_asyncio.fixture
async def doors(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    (tmp_path / "flows" / "verified_of_the_test.py").write_text(DOORS)
    monkeypatch.setenv("AUTH_MODE", "development")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    get_settings.cache_clear()
    await set_config(ConfigWrite(key="GITHUB", value="env:HOOK_SECRET", type="secret_ref"), ADMIN)
    yield app
    for task in list(get_services().keys._background):
        await task
    sys.modules.pop("verified_of_the_test", None)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}", "content-type": "application/json"}


async def deliver(name: str, how: str = "well", delivery: str | None = None, **headers: str) -> Called:
    body = json.dumps({"how": how}).encode()
    given = {**ANYBODY, **signed(body), **({"x-github-delivery": delivery} if delivery else {}), **headers}
    return await call("endpoints_post", {"workflowName": name}, headers=given, raw=body)


async def recorded() -> list[Any]:
    return (await call("executions_list")).body["executions"]


async def test_a_signed_delivery_runs_and_an_unsigned_or_forged_one_is_a_401_that_leaves_nothing(doors: App):
    assert (await deliver("pushed")).body["result"] == {"run": 1, "who": "public:anonymous"}
    for headers in ({"x-hub-signature-256": ""}, signed(b"other"), signed(b'{"how": "well"}', "wrong")):
        refused = await deliver("pushed", **headers)
        assert (refused.status, refused.body["error"]) == (401, "Unauthorized")
    bare = await call("endpoints_post", {"workflowName": "pushed"}, headers=ANYBODY, body={})
    assert (bare.status, bare.body["message"]) == (401, "The webhook's signature is missing")
    assert len(await recorded()) == 1


async def test_an_async_endpoint_refuses_before_its_202(doors: App):
    assert (await deliver("pushed_later", **{"x-hub-signature-256": "sha256=0"})).status == 401
    assert await recorded() == []
    accepted = await deliver("pushed_later")
    assert (accepted.status, len(accepted.body["resultToken"])) == (202, 43)


async def test_a_key_goes_on_being_asked_for_and_signatures_are_checked_besides(doors: App):
    key = {"x-functions-key": (await create_key(WorkflowKeyCreate(), ADMIN)).raw_key}
    assert (await deliver("keyed")).status == 401
    assert (await deliver("keyed", **key)).body["result"] == "in"
    assert (await deliver("keyed", **key, **{"x-hub-signature-256": "sha256=0"})).status == 401


async def test_refused_deliveries_use_up_none_of_the_rate_of_right_ones(doors: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PUBLIC_RATE_PER_MINUTE", "2")
    get_settings.cache_clear()
    forged = [await deliver("pushed", **{"x-hub-signature-256": "sha256=0"}) for _ in range(4)]
    assert [answer.status for answer in forged] == [401, 401, 429, 429]
    assert [(await deliver("pushed")).status for _ in range(4)] == [200, 200, 200, 200]


async def test_what_a_workflow_refuses_itself_uses_up_none_of_the_rate_of_right_ones(
    doors: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PUBLIC_RATE_PER_MINUTE", "3")
    monkeypatch.setattr(delivery_checks, "client_address", lambda headers, hosted: headers["x-from"])
    get_settings.cache_clear()
    forged = [await deliver("checks_itself", **{"x-hub-signature-256": "sha256=0", "x-from": "a"}) for _ in range(5)]
    assert [answer.status for answer in forged] == [401, 401, 401, 429, 429]
    assert [(await deliver("checks_itself", **{"x-from": "b"})).status for _ in range(3)] == [200, 200, 200]


async def test_the_rate_of_right_ones_is_that_of_a_key(doors: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENDPOINT_RATE_PER_MINUTE", "1")
    get_settings.cache_clear()
    assert [(await deliver("pushed")).status for _ in range(2)] == [200, 429]


async def test_without_its_secret_an_endpoint_takes_nothing_and_the_log_says_which_is_missing(
    doors: App, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    answer = await deliver("unset")
    assert (answer.status, answer.body["error"], answer.headers["Retry-After"]) == (503, "ServiceUnavailable", "60")
    assert "NOWHERE" not in str(answer.body)
    assert "The secret 'NOWHERE' is not configured" in caplog.text
    assert await recorded() == []


async def test_a_token_in_the_query_reaches_neither_the_workflow_nor_the_record(doors: App):
    path = {"workflowName": "told"}
    answer = await call("endpoints_post", path, headers=ANYBODY, query={"token": SECRET, "a": "1"}, body={})
    assert answer.body["result"] == {"others": {"a": "1"}, "query": {"a": "1"}}
    assert (await call("endpoints_post", path, headers=ANYBODY, query={"token": "guess"}, body={})).status == 401
    execution = await get_execution(answer.body["executionId"], ADMIN)
    assert SECRET not in str(execution)


async def test_methods_that_need_no_signature_are_let_in_and_a_head_runs_nothing(doors: App):
    asked = await call("endpoints_get", {"workflowName": "asked"}, headers=ANYBODY, query={"challenge": "abc"})
    assert (asked.status, asked.body) == (200, "abc")
    assert (await call("endpoints_post", {"workflowName": "asked"}, headers=ANYBODY, body={})).status == 401
    before = len(await recorded())
    headed = await call("endpoints_head", {"workflowName": "pushed"}, headers=ANYBODY)
    assert (headed.status, headed.body, len(await recorded())) == (200, None, before)


async def test_a_delivery_that_comes_again_gets_the_first_runs_answer(doors: App):
    first, second = [await deliver("pushed", delivery="72d3162e") for _ in range(2)]
    assert (second.status, second.body, second.headers["Idempotent-Replayed"]) == (200, first.body, "true")
    other = await deliver("pushed", delivery="other")
    assert other.body["executionId"] != first.body["executionId"]
    assert [(await deliver("pushed")).body["result"]["run"] for _ in range(2)] == [3, 4]


async def test_a_delivery_whose_run_failed_is_run_anew_as_its_rerun(doors: App):
    for how, status in (("refuse", 422), ("busy", 503)):
        assert (await deliver("pushed", how, delivery=how)).status == status
        first = (await recorded())[0]
        again = await deliver("pushed", "well", delivery=how)
        assert (again.status, again.body["status"]) == (200, "Success")
        assert "Idempotent-Replayed" not in again.headers
        assert (await get_execution(again.body["executionId"], ADMIN)).rerun_of == first["executionId"]
        third = await deliver("pushed", "well", delivery=how)
        assert (third.body, third.headers["Idempotent-Replayed"]) == (again.body, "true")


async def test_an_async_delivery_counts_while_it_waits_and_when_it_ended_well(doors: App):
    first = await deliver("pushed_later", "fail", delivery="one")
    waiting = await deliver("pushed_later", "fail", delivery="one")
    assert (waiting.status, waiting.body["executionId"]) == (202, first.body["executionId"])
    assert waiting.body["resultToken"] is None
    await get_services().executor.run_queued(json.dumps({"execution_id": first.body["executionId"]}))
    again = await deliver("pushed_later", "well", delivery="one")
    assert again.body["executionId"] != first.body["executionId"]
    execution = await get_execution(again.body["executionId"], ADMIN)
    assert execution.rerun_of == first.body["executionId"]
    await get_services().executor.run_queued(json.dumps({"execution_id": again.body["executionId"]}))
    last = await deliver("pushed_later", "well", delivery="one")
    assert (last.body, last.headers["Idempotent-Replayed"]) == ({**again.body, "resultToken": None}, "true")


async def test_one_delivery_that_comes_many_times_at_once_runs_once(doors: App):
    answers = await asyncio.gather(*(deliver("pushed", delivery="same") for _ in range(6)))
    assert {answer.body["result"]["run"] for answer in answers} == {1}
    assert len(await recorded()) == 1


async def test_the_same_id_with_another_body_is_the_same_delivery_and_the_log_says_so(
    doors: App, caplog: pytest.LogCaptureFixture
):
    first, second = await deliver("pushed", "well", delivery="one"), await deliver("pushed", "other", delivery="one")
    assert second.body == first.body
    assert "came again with another body" in caplog.text


async def test_what_is_declared_is_shown(doors: App):
    listed = {found["name"]: found for found in (await call("workflows_list")).body}
    assert (listed["pushed"]["verify"], listed["pushed"]["dedupeHeader"]) == ("github:GITHUB", "X-GitHub-Delivery")
    assert (listed["add"]["verify"], listed["add"]["dedupeHeader"]) == (None, None)
    paths = (await call("openapi_get")).body["paths"]
    parameters = {found["name"]: found for found in paths["/endpoints/pushed"]["post"]["parameters"] if "name" in found}
    assert parameters["X-Hub-Signature-256"]["required"]
    assert not parameters["X-GitHub-Delivery"]["required"]
    assert {"4XX", "401", "500", "504"} <= set(paths["/endpoints/pushed"]["post"]["responses"])
    assert "X-Hub-Signature-256" not in str(paths["/endpoints/pushed"]["head"]["parameters"])
    told = {found["name"]: found["in"] for found in paths["/endpoints/told"]["post"]["parameters"] if "name" in found}
    assert told["token"] == "query"
