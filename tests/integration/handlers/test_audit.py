"""The audit log: what is done is written down before, and what can't be written down is not done."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.context import Organization
from shared.errors import BadRequestError, ConflictError, ForbiddenError, StorageUnavailableError
from shared.handlers.audit_handlers import list_audit
from shared.handlers.configuration_handlers import delete_config, list_config, set_config
from shared.handlers.executions_handlers import list_executions
from shared.handlers.forms_handlers import create_form, delete_form, list_forms, update_form
from shared.handlers.organizations_handlers import (
    create_organization,
    delete_organization,
    list_organizations,
    update_organization,
)
from shared.handlers.services import close_services, get_services
from shared.handlers.workflow_keys_handlers import create_key, list_keys, revoke_key
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.audit import AuditEntry, AuditQuery
from shared.models.configuration import ConfigWrite
from shared.models.executions import ExecuteRequest, ExecutionListQuery
from shared.models.forms import FormPatch, FormRequest
from shared.models.organizations import OrganizationCreate, OrganizationPatch
from shared.models.workflow_keys import WorkflowKeyCreate, WorkflowKeyListQuery
from shared.repositories.audit import AuditRepository
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.proxy import StorageProxy

App = Callable[[], Storage]

CODE = base64.b64encode(b"context.set_result(1)").decode()
FIELDS = [{"name": name, "type": "number", "required": True} for name in ("a", "b")]
FORM = FormRequest.model_validate({"name": "A form", "linkedWorkflow": "add", "formSchema": {"fields": FIELDS}})


async def run_code(**fields: Any) -> None:
    await execute_workflow_handler(ExecuteRequest(code=CODE, script_name="Mine", **fields), ADMIN)


async def entries(principal: Any = ADMIN) -> list[AuditEntry]:
    return (await list_audit(AuditQuery(limit=100), principal)).entries


async def test_whoever_changes_something_stands_in_the_log_with_what_it_was(app: App):
    form = (await create_form(FORM, ADMIN)).form
    await update_form(form.id, FormPatch(is_public=True), ADMIN)
    await delete_form(form.id, ADMIN)
    key = await create_key(WorkflowKeyCreate(workflow_id="add"), ADMIN)
    await revoke_key(key.id, ADMIN)
    await set_config(ConfigWrite(key="region", value="a value for nobody's log"), ADMIN)
    await delete_config("region", None, ADMIN)
    organization = await create_organization(OrganizationCreate(name="Acme"), ADMIN)
    await update_organization(organization.id, OrganizationPatch(is_active=False), ADMIN)
    await delete_organization(organization.id, ADMIN)
    await run_code()
    found = await entries()
    assert [(entry.action, entry.target) for entry in reversed(found)][:-1] == [
        ("form.create", form.id),
        ("form.update", form.id),
        ("form.delete", form.id),
        ("key.create", key.id),
        ("key.revoke", key.id),
        ("config.set", "region"),
        ("config.delete", "region"),
        ("organization.create", organization.id),
        ("organization.update", organization.id),
        ("organization.delete", organization.id),
    ]
    assert {(entry.user_id, entry.user_name, entry.scope) for entry in found} == {("admin-1", "Admin", "GLOBAL")}
    assert [entry.at for entry in found] == sorted((entry.at for entry in found), reverse=True)
    text = repr(found)
    assert key.raw_key not in text
    assert "a value for nobody's log" not in text


@pytest.mark.parametrize("transient", [False, True])
async def test_whoever_runs_code_stands_in_the_log_with_what_it_was(app: App, transient: bool):
    await run_code(transient=transient)
    (entry,) = await entries()
    digest = hashlib.sha256(CODE.encode()).hexdigest()
    assert (entry.action, entry.details) == ("code.run", {"name": "Mine", "sha256": digest})
    await execute_workflow_handler(ExecuteRequest(workflow_name="add", input_data={"a": 1}), ADMIN)
    assert len(await entries()) == 1


async def test_code_that_is_not_taken_is_not_run(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INLINE_CODE", "off")
    get_settings.cache_clear()
    with pytest.raises(ForbiddenError):
        await run_code()
    assert await entries() == []


async def nothing_done() -> list[Any]:
    return [
        *await list_forms(ADMIN),
        *await list_keys(WorkflowKeyListQuery(), ADMIN),
        *await list_config(ADMIN),
        *await list_organizations(),
        *(await list_executions(ExecutionListQuery(), ADMIN)).executions,
    ]


@pytest.mark.parametrize(
    "act",
    [
        lambda: create_form(FORM, ADMIN),
        lambda: create_key(WorkflowKeyCreate(), ADMIN),
        lambda: set_config(ConfigWrite(key="region", value="north"), ADMIN),
        lambda: create_organization(OrganizationCreate(name="Acme"), ADMIN),
        run_code,
    ],
    ids=["form", "key", "config", "organization", "code"],
)
async def test_what_can_not_be_written_down_is_not_done(
    app: App, proxy: StorageProxy, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[object]]
):
    monkeypatch.setenv("AzureWebJobsStorage", proxy.connection_string)
    get_settings.cache_clear()
    await close_services()
    proxy.refuse(lambda exchange: "Audit" in exchange.url or b"/Audit" in exchange.request_body)
    with pytest.raises(StorageUnavailableError):
        await act()
    proxy.refuse(None)
    assert await nothing_done() == []
    assert await entries() == []


async def test_a_deed_that_fails_afterwards_was_written_down(app: App):
    await create_organization(OrganizationCreate(name="Acme"), ADMIN)
    with pytest.raises(ConflictError):
        await create_organization(OrganizationCreate(name="Acme"), ADMIN)
    assert [entry.action for entry in await entries()] == ["organization.create"] * 2


async def test_each_scope_has_its_own_log(app: App):
    acme = replace(ADMIN, organization=Organization("acme", "Acme"))
    await create_key(WorkflowKeyCreate(), acme)
    await set_config(ConfigWrite(key="region", value="north", scope="GLOBAL"), acme)
    assert [entry.action for entry in await entries(acme)] == ["key.create"]
    assert [entry.action for entry in await entries()] == ["config.set"]


async def test_pages_neither_skip_nor_repeat_while_entries_are_added(app: App):
    await asyncio.gather(*(get_services().audit.record(ADMIN, "test", str(number)) for number in range(25)))
    seen: list[str] = []
    token = None
    while True:
        page = await list_audit(AuditQuery(limit=7, continuation_token=token), ADMIN)
        seen += [entry.target for entry in page.entries]
        await get_services().audit.record(ADMIN, "test", "later")
        token = page.continuation_token
        if token is None:
            break
    assert sorted(seen, key=int) == [str(number) for number in range(25)]
    with pytest.raises(BadRequestError):
        await list_audit(AuditQuery(continuation_token="nonsense"), ADMIN)


async def test_an_entry_whose_answer_was_lost_is_there_once(
    app: App, proxy: StorageProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", proxy.connection_string)
    get_settings.cache_clear()
    await close_services()
    await get_services().audit.record(ADMIN, "test", "first")
    proxy.lose_an_answer(lambda exchange: exchange.method == "POST")
    await get_services().audit.record(ADMIN, "test", "second")
    assert proxy.answers_lost == 1
    assert [entry.target for entry in await entries()] == ["second", "first"]


def test_entries_can_only_be_added_and_read():
    assert {name for name, _ in inspect.getmembers(AuditRepository) if not name.startswith("_")} == {"add", "list"}
