"""Data providers through the engine, with the cache on real storage."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.timer.cleanup import remove_expired
from shared.access.principal import Principal
from shared.context import Organization
from shared.discovery import get_workspace
from shared.engine import ExecutionRequest, execute
from shared.errors import ForbiddenError, InvalidInputError, NotFoundError, ProviderFailedError, ProviderTimeoutError
from shared.handlers.data_providers_handlers import get_data_provider_options_handler, list_data_providers
from shared.handlers.executions_handlers import list_executions
from shared.handlers.organizations_handlers import create_organization
from shared.handlers.provider_options import provide_options
from shared.handlers.services import get_services
from shared.models.data_providers import ProviderOptions, ProviderRequest
from shared.models.executions import ExecutionListQuery
from shared.models.organizations import Member, OrganizationCreate
from shared.repositories.provider_answers import TABLE
from shared.settings.environment import get_settings
from shared.storage import Storage, Upsert
from tests.integration.handlers.conftest import ADMIN, OTHER_USER, USER
from tests.support.calls import call

App = Callable[[], Storage]

PROVIDERS = """
import asyncio
from itertools import count

from shared.context import ExecutionContext
from shared.decorators import data_provider, param, workflow
from shared.errors import UserError

runs = count(1)


@data_provider(name="numbered", description="Counts its runs", category="Tests", cache_ttl_seconds=60)
@param("prefix", type="string", label="Prefix", default_value="run")
async def numbered(context: ExecutionContext, prefix: str) -> list[str]:
    print("a line")
    return [f"{prefix} {next(runs)} of {context.scope}"]


@data_provider(name="never_kept", cache_ttl_seconds=0)
def never_kept():
    return [next(runs)]


@data_provider(name="whose", cache_per="organization")
def whose(context):
    return [context.email, next(runs)]


@data_provider(name="mine", cache_per="user")
def mine(context):
    return [context.email, next(runs)]


@data_provider(name="breaks")
def breaks(how: str = "raise"):
    if how == "raise":
        raise ValueError("the password is 1234")
    if how == "user":
        raise UserError("Choose a country first")
    if how == "success":
        return {"success": False, "error": "Nothing today"}
    return [{"id": 1}]


@data_provider(name="towns")
@param("country", type="string", required=True)
@param("utm_source", type="string")
def towns(country, utm_source=None):
    return [{"label": "Ghent", "value": "ghe", "metadata": {"km": 9}, "flag": country, "extra": {"from": utm_source}}]


@data_provider(name="sleeps")
@workflow(name="sleeps", execution_mode="sync", timeout_seconds=1)
async def sleeps():
    await asyncio.sleep(30)
"""


@pytest.fixture(autouse=True)
def providers(app: App, tmp_path: Path) -> Iterator[Path]:
    """The file with the providers above, in the workspace of this test."""
    path = tmp_path / "flows" / "providers_of_the_test.py"
    path.write_text(PROVIDERS)
    yield path
    sys.modules.pop("providers_of_the_test", None)


def in_organization(principal: Principal, name: str) -> Principal:
    return replace(principal, organization=Organization(name, name))


def values(answer: ProviderOptions) -> list[object]:
    return [option["value"] for option in answer.options]


async def test_options_come_in_one_shape_and_from_the_cache_the_second_time():
    first = await provide_options("numbered", {}, USER)
    assert first.options == [{"label": "run 1 of GLOBAL", "value": "run 1 of GLOBAL", "metadata": None}]
    assert (first.provider, first.cached, first.stale) == ("numbered", False, False)
    assert first.cache_expires_at is not None
    second = await provide_options("numbered", {"prefix": "run"}, OTHER_USER)
    assert second == first.model_copy(update={"cached": True})
    assert values(await provide_options("numbered", {"prefix": "other"}, USER)) == ["other 2 of GLOBAL"]
    assert values(await provide_options("numbered", {}, USER, no_cache=True)) == ["run 3 of GLOBAL"]
    assert values(await provide_options("numbered", {}, USER)) == ["run 3 of GLOBAL"]


async def test_one_organization_never_sees_the_answer_of_another():
    asked = [USER, in_organization(USER, "one"), in_organization(ADMIN, "two")]
    answers = [values(await provide_options("numbered", {}, principal))[0] for principal in asked]
    assert answers == ["run 1 of GLOBAL", "run 2 of one", "run 3 of two"]
    again = [values(await provide_options("numbered", {}, principal))[0] for principal in asked]
    assert again == answers


async def test_what_is_asked_for_never_to_be_kept_is_run_each_time():
    answers = [await provide_options("never_kept", {}, USER) for _ in range(3)]
    assert [values(answer) for answer in answers] == [[1], [2], [3]]
    assert all(answer.cache_expires_at is None and not answer.cached for answer in answers)


async def test_a_provider_that_reads_who_is_calling_gives_everybody_their_own(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "shared.data_providers.cache"):
        answers = [values(await provide_options("whose", {}, who)) for who in (USER, OTHER_USER, USER)]
    assert answers == [["one@example.com", 1], ["two@example.com", 2], ["one@example.com", 3]]
    assert caplog.text.count("whose reads who is calling") == 1


async def test_a_personal_provider_keeps_one_answer_for_each_user():
    answers = [values(await provide_options("mine", {}, who)) for who in (USER, OTHER_USER, USER)]
    assert answers == [["one@example.com", 1], ["two@example.com", 2], ["one@example.com", 1]]


async def test_wrong_parameters_are_named_and_nothing_runs():
    with pytest.raises(InvalidInputError) as caught:
        await provide_options("numbered", {"prefix": 5, "other": 1}, USER)
    assert [error["loc"] for error in caught.value.errors] == [["prefix"], ["other"]]
    assert values(await provide_options("numbered", {}, USER)) == ["run 1 of GLOBAL"]


async def test_only_the_authors_own_words_about_a_failure_are_for_everybody(caplog: pytest.LogCaptureFixture):
    expected = {
        "raise": "The data provider 'breaks' failed",
        "user": "Choose a country first",
        "success": "Nothing today",
        "wrong item": "The data provider 'breaks' gave no options: item 0 of what it returned has 'id' and no "
        "value; an option has a value, and a label where its value is no text or number",
    }
    for how, message in expected.items():
        with pytest.raises(ProviderFailedError) as caught:
            await provide_options("breaks", {"how": how}, USER)
        assert (caught.value.status, caught.value.message, caught.value.details) == (502, message, None)
    assert "1234" not in caplog.text
    assert "The data provider breaks failed: ValueError at " in caplog.text


async def test_administrators_get_all_of_a_failure_since_there_is_no_record_of_it():
    with pytest.raises(ProviderFailedError) as caught:
        await provide_options("breaks", {}, ADMIN)
    assert caught.value.message == "The data provider 'breaks' failed: ValueError: the password is 1234"
    assert caught.value.details is not None
    assert set(caught.value.details) == {"errorType", "failure", "where", "logs"}
    assert (await list_executions(ExecutionListQuery(), ADMIN)).executions == []


async def test_a_provider_that_does_not_answer_in_time_is_stopped():
    with pytest.raises(ProviderTimeoutError, match="stopped after 1 s") as caught:
        await provide_options("sleeps", {}, USER)
    assert (caught.value.status, caught.value.details) == (504, None)


async def test_what_is_no_data_provider_is_not_found():
    for name in ("add", "no_such_thing"):
        with pytest.raises(NotFoundError, match=f"no data provider named '{name}'"):
            await provide_options(name, {}, ADMIN)


async def test_users_may_ask_what_is_no_workflow_too_and_only_administrators_past_the_cache():
    assert (await get_data_provider_options_handler("numbered", ProviderRequest(), USER)).options
    assert (await get_data_provider_options_handler("numbered", ProviderRequest(no_cache=True), ADMIN)).options
    with pytest.raises(ForbiddenError, match="noCache"):
        await get_data_provider_options_handler("numbered", ProviderRequest(no_cache=True), USER)
    with pytest.raises(ForbiddenError, match="workflow too"):
        await get_data_provider_options_handler("sleeps", ProviderRequest(), USER)
    with pytest.raises(NotFoundError):
        await get_data_provider_options_handler("no_such_thing", ProviderRequest(), USER)


async def test_the_list_says_what_a_form_needs():
    listed = await list_data_providers()
    names = [provider.name for provider in listed.providers]
    assert names == ["breaks", "mine", "never_kept", "numbered", "options", "sleeps", "towns", "typed_options", "whose"]
    assert listed.model_dump()["providers"][3] == {
        "name": "numbered",
        "description": "Counts its runs",
        "category": "Tests",
        "cache_ttl_seconds": 60,
        "parameters": [
            {
                "name": "prefix",
                "type": "string",
                "required": False,
                "label": "Prefix",
                "dataProvider": None,
                "defaultValue": "run",
                "helpText": None,
                "validation": None,
                "options": None,
            }
        ],
    }


async def test_changed_code_gives_new_answers_and_the_old_code_its_old_ones(
    providers: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORKSPACE_RELOAD", "true")
    get_settings.cache_clear()
    get_workspace.cache_clear()
    assert (await provide_options("numbered", {}, USER)).cached is False
    (providers.parent / "_helper.py").write_text("# what a provider uses may stand anywhere\n")
    assert (await provide_options("numbered", {}, USER)).cached is False
    assert (await provide_options("numbered", {}, USER)).cached is True
    (providers.parent / "_helper.py").unlink()
    assert (await provide_options("numbered", {}, USER)).cached is True


async def test_the_engine_answers_each_with_their_own_execution_id():
    def ask(execution_id: str, *, transient: bool = False) -> ExecutionRequest:
        return ExecutionRequest(
            execution_id=execution_id,
            caller=USER.caller,
            name="numbered",
            use="data_provider",
            transient=transient,
        )

    await list_data_providers()
    results = await asyncio.gather(*(execute(ask(f"id-{number}")) for number in range(3)))
    assert [result.execution_id for result in results] == ["id-0", "id-1", "id-2"]
    hit = await execute(ask("id-3"))
    assert (hit.execution_id, hit.cached, hit.stale, hit.status) == ("id-3", True, False, "Success")
    transient = await execute(ask("id-4", transient=True))
    assert (transient.cached, transient.cache_expires_at, len(transient.logs)) == (False, None, 1)


async def test_the_timer_removes_answers_of_no_use():
    await provide_options("numbered", {}, USER)
    table = get_services().storage.table(TABLE)
    await table.transaction("0", [Upsert("0" * 64, {"keepUntil": 1.0})])
    await remove_expired(None)  # type: ignore[arg-type]
    assert await table.get("0", "0" * 64) is None
    assert (await provide_options("numbered", {}, USER)).cached


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a developer's machine, where every caller is an administrator."""
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()


def towns(country: str = "be", source: str | None = None) -> list[dict[str, Any]]:
    extra = {"flag": country, "extra": {"from": source}}
    return [{"label": "Ghent", "value": "ghe", "metadata": {"km": 9}, **extra}]


async def test_what_else_a_provider_gave_with_an_option_comes_with_it_also_from_the_cache(local: None):
    for cached in (False, True):
        answer = await call("data_providers_post_options", TOWNS, body={"inputs": {"country": "be"}})
        assert (answer.status, answer.body["options"], answer.body["cached"]) == (200, towns(), cached)
    get_services().provider_cache._memory.clear()
    answer = await call("data_providers_get_options", TOWNS, query={"country": "be"})
    assert (answer.body["options"], answer.body["cached"]) == (towns(), True)


TOWNS = {"providerName": "towns"}
NUMBERED = {"providerName": "numbered"}


async def test_inputs_that_are_null_are_none(local: None):
    answer = await call("data_providers_post_options", NUMBERED, body={"inputs": None, "noCache": None, "orgId": None})
    assert (answer.status, answer.body["options"][0]["value"]) == (200, "run 1 of GLOBAL")
    assert (await call("data_providers_get_options", NUMBERED, query={"inputs": "null"})).status == 200


async def test_the_scope_that_a_call_works_in_may_be_said_by_its_org_id_and_another_one_may_not(local: None):
    await create_organization(OrganizationCreate(id="acme", name="Acme"), ADMIN)
    await create_organization(
        OrganizationCreate(id="home", name="Home", members=[Member(tenant_id="t1", object_id="u1")]), ADMIN
    )
    user = {"x-dev-principal": '{"user_id": "u1", "tenant_id": "t1", "roles": []}'}
    admin = {"x-organization-id": "home"}
    nowhere = {"x-dev-principal": '{"user_id": "u2", "roles": []}'}
    cases = [
        (user, "home", 200),
        (user, "acme", 403),
        (user, "no-such", 403),
        (user, "GLOBAL", 403),
        (nowhere, "GLOBAL", 200),
        (nowhere, "home", 403),
        (admin, "home", 200),
        (admin, "acme", 404),
        (admin, "GLOBAL", 404),
        ({}, "GLOBAL", 200),
        ({}, "home", 404),
    ]
    for headers, org_id, status in cases:
        for answer in (
            await call("data_providers_post_options", NUMBERED, headers=headers, body={"orgId": org_id}),
            await call("data_providers_get_options", NUMBERED, headers=headers, query={"orgId": org_id}),
        ):
            assert answer.status == status, (headers, org_id)
            if status == 404:
                assert "X-Organization-Id" in answer.body["message"]
    # It chooses nothing: who works in GLOBAL gets no answer of an organization's.
    answer = await call("data_providers_post_options", NUMBERED, headers=user, body={"orgId": "home"})
    assert answer.body["options"][0]["value"].endswith("of home")


async def test_of_the_query_all_is_an_input_but_what_is_added_to_any_address(local: None):
    added = {"_": "1770000000", "utm_campaign": "spring"}
    answer = await call("data_providers_get_options", TOWNS, query={"country": "nl", "utm_source": "mail", **added})
    assert (answer.status, answer.body["options"]) == (200, towns("nl", "mail"))
    wrong = await call("data_providers_get_options", TOWNS, query={"country": "nl", "county": "x"})
    assert (wrong.status, wrong.body["details"]["errors"][0]["loc"]) == (400, ["county"])
