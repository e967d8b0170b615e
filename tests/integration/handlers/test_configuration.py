"""Configuration: typed, an organization's over the global one, read seldom; its secrets masked wherever they appear."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from shared.access.principal import Principal
from shared.context import Organization
from shared.errors import BadRequestError, InvalidInputError, NotFoundError, PayloadTooLargeError
from shared.handlers.configuration_handlers import delete_config, list_config, set_config
from shared.handlers.executions_handlers import get_execution, get_logs, rerun_execution
from shared.handlers.organizations_handlers import create_organization
from shared.handlers.provider_options import provide_options
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.configuration import ConfigWrite
from shared.models.executions import ExecuteRequest, ExecutionLogsQuery, ExecutionResponse
from shared.models.organizations import OrganizationCreate
from shared.repositories.configuration import ConfigurationRepository
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN

App = Callable[[], Storage]

SECRET = "hunter2/+ü=top"
ORGANIZATION = Organization("acme", "Acme")
ORG_ADMIN = replace(ADMIN, organization=ORGANIZATION)

FLOWS = """
import base64
from urllib.parse import quote

from shared.context import ExecutionContext
from shared.decorators import data_provider, workflow


@workflow(name="shows", execution_mode="sync")
def shows(context: ExecutionContext, keys: list):
    return {key: context.get_config(key, "unset") for key in keys} | {"has": [context.has_config(key) for key in keys]}


@workflow(name="uses_secret", execution_mode="sync")
async def uses_secret(context: ExecutionContext, given: str = "", key: str = "api_key"):
    secret = await context.get_secret(key)
    print("plain", secret)
    context.info(quote(secret), encoded=base64.b64encode(f"u:{secret}".encode()).decode())
    return {"secret": secret, "length": len(secret), "given": given}


@workflow(name="uses_secret_later", retry_policy={"max_attempts": 2, "backoff_seconds": 0})
async def uses_secret_later(context: ExecutionContext, given: str):
    secret = await context.get_secret("api_key")
    print(secret)
    assert given == secret
    raise ValueError(f"with {secret}")


@data_provider(name="secret_options", cache_ttl_seconds=0)
async def secret_options(context: ExecutionContext):
    return [await context.get_secret("api_key"), str(context.get_config("region", "none"))]


@data_provider(name="plain_options", cache_ttl_seconds=0)
async def plain_options():
    return ["a"]
"""


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "flows" / "configured_of_the_test.py").write_text(FLOWS)
    monkeypatch.setenv("PARTNER_API_KEY", SECRET)
    yield
    sys.modules.pop("configured_of_the_test", None)


async def put(key: str, value: Any, kind: str = "string", principal: Principal = ADMIN, **fields: Any) -> bool:
    body = ConfigWrite.model_validate({"key": key, "value": value, "type": kind, **fields})
    return (await set_config(body, principal))[1]


async def run(name: str, principal: Principal = ADMIN, **inputs: Any) -> ExecutionResponse:
    answer = (await execute_workflow_handler(ExecuteRequest(workflow_name=name, input_data=inputs), principal)).answer
    assert isinstance(answer, ExecutionResponse)
    return answer


async def shown(*keys: str, principal: Principal = ADMIN) -> dict[str, Any]:
    return (await run("shows", principal, keys=list(keys))).result


def assert_no_secret(answer: Any) -> None:
    text = json.dumps(answer, ensure_ascii=False, default=str) + repr(answer)
    for hidden in (SECRET, quote(SECRET), quote(SECRET, safe=""), base64.b64encode(f"u:{SECRET}".encode()).decode()):
        assert hidden not in text


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [
        ("string", "text", "text"),
        ("int", 5, 5),
        ("int", "5", 5),
        ("bool", "true", True),
        ("bool", False, False),
        ("json", {"a": [1, None]}, {"a": [1, None]}),
        ("json", None, None),
    ],
    ids=lambda value: repr(value),
)
async def test_values_have_the_type_that_they_say(app: App, kind: str, sent: Any, kept: Any):
    assert await put("limit", sent, kind)
    assert await shown("limit") == {"limit": kept, "has": [True]}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 5),
        ("int", "many"),
        ("int", 1.5),
        ("int", True),
        ("bool", "perhaps"),
        ("string", "x" * 40_000),
        ("secret_ref", 5),
        ("secret_ref", "env:"),
        ("secret_ref", "env:A-B"),
        ("secret_ref", "env:AzureWebJobsStorage"),
        ("secret_ref", "env:website_auth_encryption_key"),
        ("secret_ref", "env:AZURE_CLIENT_SECRET"),
        ("secret_ref", "env:MICROSOFT_PROVIDER_AUTHENTICATION_SECRET"),
        ("secret_ref", "env:OTEL_EXPORTER_OTLP_HEADERS"),
        ("secret_ref", "a/b/c"),
        ("secret_ref", "https://other.vault.azure.net/secrets/a"),
        ("secret_ref", "no-vault-is-set"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_what_is_not_of_its_type_is_refused_with_a_reason(app: App, kind: str, value: Any):
    with pytest.raises(InvalidInputError) as caught:
        await put("limit", value, kind)
    assert caught.value.errors[0]["loc"] == ["body", "value"]
    assert await list_config(ADMIN) == []


async def test_an_organizations_value_wins_over_the_global_one_and_is_no_others(app: App):
    await create_organization(OrganizationCreate(id="acme", name="Acme"), ADMIN)
    await put("region", "everywhere")
    await put("plan", "basic")
    await put("region", "north", principal=ORG_ADMIN)
    await put("own", 1, "int", principal=ORG_ADMIN)
    assert await shown("region", "plan", "own", principal=ORG_ADMIN) == {
        "region": "north",
        "plan": "basic",
        "own": 1,
        "has": [True, True, True],
    }
    assert await shown("region", "own") == {"region": "everywhere", "own": "unset", "has": [True, False]}
    assert [(value.key, value.scope) for value in await list_config(ORG_ADMIN)] == [
        *(("own", "acme"), ("region", "acme")),
        *(("plan", "GLOBAL"), ("region", "GLOBAL")),
    ]
    assert [value.key for value in await list_config(ADMIN)] == ["plan", "region"]
    await put("plan", "gold", principal=ORG_ADMIN, scope="GLOBAL")
    assert (await shown("plan"))["plan"] == "gold"
    with pytest.raises(NotFoundError):
        await put("plan", "gold", principal=ADMIN, scope="acme")
    await delete_config("region", None, ORG_ADMIN)
    assert (await shown("region", principal=ORG_ADMIN))["region"] == "everywhere"
    with pytest.raises(NotFoundError):
        await delete_config("region", None, ORG_ADMIN)
    await delete_config("region", "GLOBAL", ORG_ADMIN)
    assert (await shown("region"))["region"] == "unset"


async def test_setting_says_whether_the_value_is_new(app: App):
    assert await put("a", "1")
    assert not await put("a", "2")
    (value,) = await list_config(ADMIN)
    assert (value.value, value.updated_by) == ("2", "admin-1")


async def test_twelve_values_set_at_once_are_all_there(app: App):
    await asyncio.gather(*(put(f"key{number}", str(number)) for number in range(12)))
    assert len(await list_config(ADMIN)) == 12


async def test_org_is_the_organization_that_the_call_works_in_and_global_the_scope_of_all(app: App):
    await put("region", "north", principal=ORG_ADMIN, scope="org")
    await put("region", "everywhere", principal=ORG_ADMIN, scope="GLOBAL")
    found = {value.scope: value.value for value in await list_config(ORG_ADMIN)}
    assert found == {"acme": "north", "GLOBAL": "everywhere"}
    await delete_config("region", "org", ORG_ADMIN)
    assert [value.scope for value in await list_config(ORG_ADMIN)] == ["GLOBAL"]


async def test_org_is_refused_where_a_call_works_in_no_organization(app: App):
    for where, ask in (("body", put("region", "north", scope="org")), ("query", delete_config("region", "org", ADMIN))):
        with pytest.raises(InvalidInputError, match="X-Organization-Id") as caught:
            await ask
        assert caught.value.errors[0]["loc"] == [where, "scope"]
    assert await list_config(ADMIN) == []


async def test_more_than_a_scope_can_hold_is_refused_and_what_was_there_stays(app: App):
    for number in range(40):
        try:
            await put(f"key{number}", base64.b64encode(random.Random(number).randbytes(24_000)).decode())
        except PayloadTooLargeError:
            break
    else:
        pytest.fail("nothing was refused")
    assert len(await list_config(ADMIN)) == number >= 10


async def test_a_run_reads_the_configuration_in_one_call_and_mostly_in_none(app: App):
    await create_organization(OrganizationCreate(id="acme", name="Acme"), ADMIN)
    await put("region", "north", principal=ORG_ADMIN)
    await shown("region", principal=ORG_ADMIN)
    with count_storage_calls() as calls:
        await shown("region", principal=ORG_ADMIN)
    assert (calls.tables, calls.blobs) == (2, 0)
    get_services().configuration.invalidate()
    with count_storage_calls() as calls:
        await shown("region", principal=ORG_ADMIN)
    assert (calls.tables, calls.blobs) == (3, 0)


async def test_a_secret_reaches_the_run_and_nothing_that_it_leaves_behind(app: App, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    answer = await run("uses_secret", given=f"again {SECRET}")
    assert answer.result == {"secret": "••••", "length": len(SECRET), "given": "again ••••"}
    assert_no_secret(answer.model_dump(mode="json"))
    detail = await get_execution(answer.execution_id, ADMIN)
    assert detail.input_data == {"given": "again ••••"}
    assert_no_secret(detail.model_dump(mode="json"))
    assert_no_secret((await get_logs(answer.execution_id, ExecutionLogsQuery(), ADMIN)).model_dump(mode="json"))
    assert_no_secret([value.model_dump(mode="json") for value in await list_config(ADMIN)])
    assert SECRET not in caplog.text


async def test_what_a_run_is_given_is_shown_masked_and_runs_and_reruns_as_it_came(app: App):
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    request = ExecuteRequest(workflow_name="uses_secret_later", input_data={"given": SECRET})
    execution_id = (await execute_workflow_handler(request, ADMIN)).answer.execution_id
    for attempt in (1, 2):
        await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": attempt}))
    detail = await get_execution(execution_id, ADMIN)
    # It came as far as the raise: the parameter was the secret itself.
    assert (detail.status, detail.error, detail.attempt) == ("Failed", "with ••••", 2)
    assert detail.input_data == {"given": "••••"}
    assert_no_secret(detail.model_dump(mode="json"))
    again = (await rerun_execution(execution_id, ADMIN)).answer.execution_id
    await get_services().executor.run_queued(json.dumps({"execution_id": again, "attempt": 1}))
    assert (await get_execution(again, ADMIN)).attempts[0]["error"] == "with ••••"


async def test_a_process_that_has_run_nothing_masks_too(app: App):
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    answer = await run("add", a=1)
    await run("shows", keys=[f"x{SECRET}"])
    get_services().configuration._masks.clear()
    assert (await get_execution(answer.execution_id, ADMIN)).input_data == {"a": 1}
    (other,) = [
        execution
        for execution in [await get_execution((await run("shows", keys=[SECRET])).execution_id, ADMIN)]
        if execution.input_data
    ]
    assert other.input_data == {"keys": ["••••"]}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("api_key", "env:NOT_THERE", "secret_ref"), "The secret 'api_key' points to an app setting that is not there"),
        (("api_key", "plain", "string"), "The secret 'api_key' is no secret"),
        (("other", "env:PARTNER_API_KEY", "secret_ref"), "The secret 'api_key' is not configured"),
    ],
    ids=["missing", "no-secret", "other"],
)
async def test_a_secret_that_can_not_be_had_is_an_error_that_says_why(app: App, setting: Any, message: str):
    await put(*setting)
    answer = await run("uses_secret")
    assert (answer.status, answer.error_type, answer.error) == ("Failed", "ConfigurationError", message)


async def test_a_setting_that_is_not_there_is_named_to_administrators_and_said_once(
    app: App, caplog: pytest.LogCaptureFixture
):
    await put("api_key", "env:NOT_THERE", "secret_ref")
    for _ in range(3):
        answer = await run("add", a=1)
        await get_execution(answer.execution_id, ADMIN)
    (warning,) = [record for record in caplog.records if "nor masked" in record.message]
    assert "The app setting is NOT_THERE" in warning.message
    (value,) = await list_config(ADMIN)
    assert value.problem == "The app setting NOT_THERE is not there"
    failed = await run("uses_secret")
    assert "NOT_THERE" not in str(failed.error)
    assert failed.details is not None
    assert failed.details["failure"]["exceptions"][0]["notes"] == ["The app setting is NOT_THERE"]
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    (value,) = await list_config(ADMIN)
    assert value.problem is None


async def test_get_config_of_a_secret_says_how_to_get_it(app: App):
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    answer = await run("shows", keys=["api_key"])
    assert answer.error == "'api_key' is a secret: await context.get_secret('api_key')"


async def test_data_providers_and_scripts_find_it_too(app: App):
    await put("api_key", "env:PARTNER_API_KEY", "secret_ref")
    await put("region", "north")
    options = (await provide_options("secret_options", {}, ADMIN)).options
    assert [option["value"] if isinstance(option, dict) else option.value for option in options] == ["••••", "north"]
    code = base64.b64encode(b"context.set_result([context.get_config('region'), await context.get_secret('api_key')])")
    answer = (await execute_workflow_handler(ExecuteRequest(code=code.decode()), ADMIN)).answer
    assert isinstance(answer, ExecutionResponse)
    assert answer.result == ["north", "••••"]


async def test_without_storage_what_asks_for_no_value_goes_on_and_what_does_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: object) -> Any:
        from shared.errors import StorageUnavailableError

        raise StorageUnavailableError

    # Storage stays there for all else; that it is away for this one read is what the proxy could not do.
    monkeypatch.setattr(ConfigurationRepository, "read", away)
    get_services().configuration.invalidate()
    assert len((await provide_options("plain_options", {}, ADMIN)).options) == 1
    answer = await run("shows", keys=["region"])
    assert (answer.status, answer.error_type) == ("Failed", "StorageUnavailableError")
    assert "configuration can't be read" in (answer.error or "")


async def test_while_storage_is_away_the_values_of_before_serve(app: App, monkeypatch: pytest.MonkeyPatch):
    await put("region", "north")
    await shown("region")

    async def away(*_: object) -> Any:
        from shared.errors import StorageUnavailableError

        raise StorageUnavailableError

    monkeypatch.setattr(ConfigurationRepository, "read", away)
    monkeypatch.setattr(get_services().configuration._values, "_ttl_seconds", 0.0)
    assert (await shown("region"))["region"] == "north"


async def test_while_storage_does_not_answer_the_values_of_before_serve_too(app: App, monkeypatch: pytest.MonkeyPatch):
    await put("region", "north")
    await shown("region")
    asked: list[str] = []

    async def hangs(_: object, scope: str) -> Any:
        asked.append(scope)
        await asyncio.Event().wait()

    monkeypatch.setattr(ConfigurationRepository, "read", hangs)
    monkeypatch.setattr("shared.configuration.values.READ_LIMIT_SECONDS", 0.05)
    monkeypatch.setattr(get_services().configuration._values, "_ttl_seconds", 0.0)
    assert (await shown("region"))["region"] == "north"
    assert (await shown("region"))["region"] == "north"
    # Nobody waits for it a second time.
    assert asked == ["GLOBAL"]


async def test_keys_that_are_no_names_are_refused(app: App):
    for key in ("", "1a", "a b", "a/b", "a" * 129):
        with pytest.raises((BadRequestError, ValueError)):
            await put(key, "x")
