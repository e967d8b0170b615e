"""Who may call what: every route, and every kind of caller. A route that is not in the table fails the test."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared.access.principal import Access, Principal
from shared.context import Caller, Organization
from shared.handlers.configuration_handlers import set_config
from shared.handlers.forms_handlers import create_form
from shared.handlers.organizations_handlers import create_organization
from shared.handlers.services import get_services
from shared.handlers.workflow_keys_handlers import create_key, revoke_key
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.configuration import ConfigWrite
from shared.models.executions import ExecuteRequest
from shared.models.forms import FormRequest
from shared.models.organizations import Member, OrganizationCreate
from shared.models.workflow_keys import WorkflowKeyCreate
from shared.repositories.workflow_keys import AccessKey, ListedKey, hash_of, new_key_id, new_raw_key
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.calls import app_routes, call
from tests.support.principals import client_principal

App = Callable[[], Storage]

HOME = Organization("org-home", "Home")
AWAY = Organization("org-away", "Away")
HOME_ADMIN = Principal(Caller("admin-1", "", "Admin"), HOME, is_platform_admin=True)
HOME_USER = Principal(Caller("user-1", "", "User One"), HOME)
BEARER = {"authorization": "Bearer of-the-identity-provider"}

DOORS = """
from shared.decorators import workflow


ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@workflow(name="door", execution_mode="sync", endpoint_enabled=True, allowed_methods=ALL)
def door(**inputs):
    return inputs
"""

HOME_FORM = FormRequest.model_validate(
    {
        "name": "Home form",
        "linkedWorkflow": "door",
        "launchWorkflowId": "door",
        "defaultLaunchParams": {"a": 1},
        "isPublic": True,
        "formSchema": {
            "fields": [
                {"name": "a", "type": "number"},
                {"name": "file", "type": "file"},
                {"name": "choice", "type": "select", "dataProvider": "options"},
            ]
        },
    }
)

CALLERS = ("anonymous", "user", "foreign", "key", "wrong", "revoked", "expired", "admin", "admin_away")
_NO_KEY = (401, 401, 401)
# The codes that the callers get, in that order.
TABLE: dict[str, tuple[int, ...]] = {
    "health_get": (200, 200, 200, 200, *_NO_KEY, 200, 200),
    "openapi_get": (200, 200, 200, 200, *_NO_KEY, 200, 200),
    "docs_get": (200, 200, 200, 200, *_NO_KEY, 200, 200),
    "docs_get_asset": (200, 200, 200, 200, *_NO_KEY, 200, 200),
    "workflows_list": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "workflows_get_form": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "workflows_execute": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "workflows_execute_named": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "endpoints_get": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_post": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_put": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_delete": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_head": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_patch": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "endpoints_options": (401, 200, 200, 200, *_NO_KEY, 200, 200),
    "executions_list": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "executions_get": (401, 200, 404, 404, *_NO_KEY, 200, 404),
    "executions_result": (401, 200, 404, 404, *_NO_KEY, 200, 404),
    "executions_logs": (401, 403, 403, 403, *_NO_KEY, 200, 404),
    "executions_variables": (401, 403, 403, 403, *_NO_KEY, 200, 404),
    "executions_cancel": (401, 409, 404, 404, *_NO_KEY, 409, 404),
    "executions_rerun": (401, 403, 403, 403, *_NO_KEY, 200, 404),
    "discovery_get": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "data_providers_list": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "data_providers_get_options": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "data_providers_post_options": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "forms_list": (401, 200, 200, 403, *_NO_KEY, 200, 200),
    "forms_create": (401, 403, 403, 403, *_NO_KEY, 201, 201),
    "forms_get": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_update": (401, 403, 403, 403, *_NO_KEY, 200, 404),
    "forms_patch": (401, 403, 403, 403, *_NO_KEY, 200, 404),
    "forms_delete": (401, 403, 403, 403, *_NO_KEY, 204, 404),
    "forms_execute": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_get_startup": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_post_startup": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_upload_url": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_provider_options": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "forms_options": (401, 200, 404, 403, *_NO_KEY, 200, 404),
    "organizations_list": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "organizations_create": (401, 403, 403, 403, *_NO_KEY, 201, 201),
    "organizations_get": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "organizations_update": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "organizations_delete": (401, 403, 403, 403, *_NO_KEY, 204, 204),
    "config_list": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "config_set": (401, 403, 403, 403, *_NO_KEY, 201, 201),
    "config_delete": (401, 403, 403, 403, *_NO_KEY, 204, 404),
    "audit_list": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "workflow_keys_create": (401, 403, 403, 403, *_NO_KEY, 201, 201),
    "workflow_keys_list": (401, 403, 403, 403, *_NO_KEY, 200, 200),
    "workflow_keys_revoke": (401, 403, 403, 403, *_NO_KEY, 204, 404),
}
BODIES: dict[str, Any] = {
    "workflows_execute": {"workflowName": "add", "inputData": {"a": 1}},
    "workflows_execute_named": {"inputData": {"a": 1}},
    "data_providers_post_options": {"inputs": {}},
    "forms_execute": {"formData": {"a": 1}},
    "forms_upload_url": {"fileName": "a.txt", "contentType": "text/plain", "fileSize": 1},
    "forms_options": {"formData": {}},
    "organizations_update": {"isActive": True},
    "workflow_keys_create": {"workflowId": "door"},
}


def body_of(name: str) -> Any:
    """A body that the route takes; names in it are new each time."""
    if name in ("forms_create", "organizations_create"):
        form = HOME_FORM.model_dump(mode="json", by_alias=True) if name == "forms_create" else {}
        return {**form, "name": f"New {uuid.uuid4()}"}
    if name == "config_set":
        return {"key": f"new-{uuid.uuid4()}", "value": "x"}
    if name in ("forms_update", "forms_patch"):
        return HOME_FORM.model_dump(mode="json", by_alias=True)
    return BODIES.get(name)


@dataclass(slots=True)
class World:
    """Two organizations, their callers, and what the first one has."""

    headers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    execution_id: str = ""
    form_id: str = ""
    spare: str = ""

    def path_of(self, route: str) -> dict[str, str]:
        known = {
            "workflowName": "door" if route.startswith("endpoints") else "add",
            "executionId": self.execution_id,
            "providerName": "options",
            "formId": self.spare if route == "forms_delete" else self.form_id,
            "keyId": self.spare,
            "orgId": self.spare or HOME.id,
            "key": self.spare,
            "asset": "page.js",
        }
        return {name: value for name, value in known.items() if f"{{{name}}}" in app_routes()[route].path}


@pytest_asyncio.fixture
async def world(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    (tmp_path / "flows" / "doors_of_the_test.py").write_text(DOORS)
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    monkeypatch.delenv("AUTH_MODE", raising=False)
    get_settings.cache_clear()
    for organization, tenant, user in ((HOME, "tenant-home", "user-1"), (AWAY, "tenant-away", "user-9")):
        member = Member(tenant_id=tenant, object_id=user)
        await create_organization(
            OrganizationCreate(id=organization.id, name=organization.name, members=[member]), HOME_ADMIN
        )
    made = World()
    made.headers = {
        "anonymous": {},
        "user": {**BEARER, "x-ms-client-principal": client_principal("user-1", "tenant-home")},
        "foreign": {**BEARER, "x-ms-client-principal": client_principal("user-9", "tenant-away")},
        "key": {"x-functions-key": (await create_key(WorkflowKeyCreate(), HOME_ADMIN)).raw_key},
        "wrong": {"x-functions-key": new_raw_key()},
        "revoked": {"x-functions-key": await revoked_key()},
        "expired": {"authorization": f"Bearer {await expired_key()}"},
        "admin": admin_headers(HOME),
        "admin_away": admin_headers(AWAY),
    }
    made.form_id = (await create_form(HOME_FORM, HOME_ADMIN)).form.id
    executed = await execute_workflow_handler(ExecuteRequest(workflow_name="add", input_data={"a": 1}), HOME_USER)
    made.execution_id = executed.answer.execution_id
    yield made
    for task in list(get_services().keys._background):
        await task
    sys.modules.pop("doors_of_the_test", None)


def admin_headers(organization: Organization) -> dict[str, str]:
    principal = client_principal("admin-1", "tenant-home", roles=["PlatformAdmin"])
    return {**BEARER, "x-ms-client-principal": principal, "x-organization-id": organization.id}


async def revoked_key() -> str:
    created = await create_key(WorkflowKeyCreate(), HOME_ADMIN)
    await revoke_key(created.id, HOME_ADMIN)
    return created.raw_key


async def spare_for(name: str) -> str:
    """The id of something that a call which removes it can have."""
    if name == "workflow_keys_revoke":
        return (await create_key(WorkflowKeyCreate(), HOME_ADMIN)).id
    if name == "forms_delete":
        form = HOME_FORM.model_copy(update={"name": f"Spare {uuid.uuid4()}"})
        return (await create_form(form, HOME_ADMIN)).form.id
    if name == "config_delete":
        await set_config(ConfigWrite(key="spare", value="x"), HOME_ADMIN)
        return "spare"
    if name == "organizations_delete":
        return (await create_organization(OrganizationCreate(name=f"Spare {uuid.uuid4()}"), HOME_ADMIN)).id
    return ""


async def expired_key() -> str:
    raw_key = new_raw_key()
    now = datetime.now(UTC)
    key = AccessKey(
        key_id=new_key_id(), scope=HOME.id, workflow_name=None, description="", expires_at=now - timedelta(seconds=1)
    )
    listed = ListedKey(
        key=key, masked_key="", closes_workflow=False, created_by="admin-1", created_at=now, last_used_at=None
    )
    await get_services().workflow_keys.create(listed, hash_of(raw_key))
    return raw_key


async def test_every_route_is_in_the_table(app: App):
    assert set(app_routes()) == set(TABLE)
    assert all(len(codes) == len(CALLERS) for codes in TABLE.values())


async def test_every_caller_gets_the_code_of_the_table(world: World):
    wrong: dict[tuple[str, str], tuple[int, int]] = {}
    for name, codes in TABLE.items():
        for caller, expected in zip(CALLERS, codes, strict=True):
            world.spare = await spare_for(name)
            answer = await call(name, world.path_of(name), headers=world.headers[caller], body=body_of(name))
            if answer.status != expected:
                wrong[name, caller] = (answer.status, expected)
            assert_is_shaped(name, answer.status, answer.headers, answer.body)
    assert wrong == {}


def assert_is_shaped(name: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    # What is the same for everybody may be kept.
    kept = "public, max-age=3600" if name == "docs_get_asset" and status == 200 else "no-store"
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == (kept, "nosniff")
    if status >= 400 and app_routes()[name].method != "HEAD":
        assert set(body) == {"error", "message", "details"}


async def test_no_platform_header_makes_anybody_where_the_platform_does_not_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "false")
    get_settings.cache_clear()
    for name, codes in TABLE.items():
        answer = await call(name, world.path_of(name) | {"keyId": "0" * 32}, headers=world.headers["admin"])
        assert answer.status == codes[CALLERS.index("anonymous")], name


async def test_a_browsers_cookie_runs_and_changes_nothing_for_a_foreign_page(world: World):
    headers = {name: value for name, value in world.headers["admin"].items() if name != "authorization"}
    for name in TABLE:
        route = app_routes()[name]
        world.spare = "0" * 32 if route.method != "GET" else ""
        answer = await call(name, world.path_of(name), headers=headers, body=body_of(name))
        if route.method != "GET" or route.runs_code:
            assert answer.status == 403, name
        else:
            assert answer.status == 200, name


async def test_a_user_of_no_organization_is_refused(world: World):
    headers = {**BEARER, "x-ms-client-principal": client_principal("user-5", "tenant-nowhere")}
    assert (await call("workflows_list", headers=headers)).status == 403


@pytest.mark.parametrize(("caller", "status"), [("user", 403), ("key", 403), ("admin", 404)])
async def test_who_names_another_organization_gets_nowhere(world: World, caller: str, status: int):
    named = "org-nowhere" if caller == "admin" else AWAY.id
    headers = {**world.headers[caller], "x-organization-id": named}
    assert (await call("endpoints_get", {"workflowName": "door"}, headers=headers)).status == status


SCOPED = ("{executionId}", "{formId}", "{keyId}", "{key}")


async def test_ids_of_another_organization_are_404_at_every_route(world: World):
    walked = 0
    for name, route in app_routes().items():
        if not any(part in route.path for part in SCOPED):
            continue
        world.spare = await spare_for(name)
        for caller in ("foreign", "admin_away"):
            if caller == "foreign" and route.access is Access.ADMIN:
                continue
            answer = await call(name, world.path_of(name), headers=world.headers[caller], body=body_of(name))
            assert (name, caller, answer.status) == (name, caller, 404)
            walked += 1
    assert walked > 25
