"""Access keys in their list: whose they are, which are revoked, and when those are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.timer.cleanup import remove_expired
from shared.access.principal import Principal
from shared.context import Caller, Organization
from shared.errors import NotFoundError, UnauthorizedError
from shared.handlers.services import get_services
from shared.handlers.workflow_keys_handlers import create_key, list_keys, revoke_key
from shared.models.workflow_keys import CreatedWorkflowKey, WorkflowKeyCreate, WorkflowKeyListQuery
from shared.repositories import workflow_keys as module
from shared.repositories.workflow_keys import KEPT_AFTER_REVOCATION, TABLE, hash_of
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import call

App = Callable[[], Storage]

ELSEWHERE = Principal(Caller("admin-1"), Organization("org-1", "One"), is_platform_admin=True)
ALL = WorkflowKeyListQuery(include_revoked=True)


async def new_key(principal: Principal = ADMIN, **fields: Any) -> CreatedWorkflowKey:
    return await create_key(WorkflowKeyCreate(**fields), principal)


async def ids(query: WorkflowKeyListQuery | None = None, principal: Principal = ADMIN) -> list[str]:
    return [key.id for key in await list_keys(query or WorkflowKeyListQuery(), principal)]


async def test_a_revoked_key_opens_nothing_and_stays_in_the_list_for_who_asks(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    made = (await call("workflow_keys_create", body={"description": "shop"})).body
    assert (made["revoked"], made["revokedAt"]) == (False, None)
    before = datetime.now(UTC)
    assert (await call("workflow_keys_revoke", {"keyId": made["id"]})).status == 204
    assert (await call("workflow_keys_list")).body == []
    assert (await call("workflow_keys_list", query={"includeRevoked": "false"})).body == []
    (shown,) = (await call("workflow_keys_list", query={"includeRevoked": "true"})).body
    assert (shown["id"], shown["revoked"], shown["description"]) == (made["id"], True, "shop")
    assert before <= datetime.fromisoformat(shown["revokedAt"]) <= datetime.now(UTC)
    assert (await call("executions_list", headers={"x-functions-key": made["rawKey"]})).status == 401
    assert (await call("workflow_keys_revoke", {"keyId": made["id"]})).status == 404


async def test_keys_are_listed_of_one_workflow_and_of_the_own_scope(app: App):
    adding, failing, any_workflow = [await new_key(workflow_id=name) for name in ("add", "fails", None)]
    theirs = await new_key(ELSEWHERE, workflow_id="add")
    assert await ids() == [any_workflow.id, failing.id, adding.id]
    assert await ids(WorkflowKeyListQuery(workflow_id="add")) == [adding.id]
    assert await ids(WorkflowKeyListQuery(workflow_id="nothing")) == []
    assert await ids(principal=ELSEWHERE) == [theirs.id]
    await revoke_key(adding.id, ADMIN)
    assert await ids(WorkflowKeyListQuery(workflow_id="add")) == []
    assert await ids(WorkflowKeyListQuery(workflow_id="add", include_revoked=True)) == [adding.id]
    with pytest.raises(NotFoundError):
        await revoke_key(theirs.id, ADMIN)


async def test_a_revocation_that_was_cut_off_is_done_by_the_next_one(app: App):
    key = await new_key()
    digest = hash_of(key.raw_key)
    await app().table(TABLE).delete(f"keys:{digest[0]}", digest[:32])
    with pytest.raises(UnauthorizedError):
        await get_services().keys.open(key.raw_key)
    assert await ids() == [key.id]
    await revoke_key(key.id, ADMIN)
    assert await ids() == []
    assert await ids(ALL) == [key.id]


async def test_a_key_that_is_used_while_it_is_revoked_is_revoked(app: App):
    key = await new_key()
    found = await get_services().workflow_keys.find(hash_of(key.raw_key))
    assert found is not None
    uses = (get_services().workflow_keys.record_use(found, datetime.now(UTC)) for _ in range(3))
    await asyncio.gather(revoke_key(key.id, ADMIN), *uses)
    (shown,) = await list_keys(ALL, ADMIN)
    assert shown.revoked


async def test_what_is_left_of_a_revoked_key_goes_after_ninety_days(app: App, monkeypatch: pytest.MonkeyPatch):
    first, second, living = [await new_key(principal) for principal in (ADMIN, ELSEWHERE, ADMIN)]
    await revoke_key(first.id, ADMIN)
    await revoke_key(second.id, ELSEWHERE)
    await remove_expired(None)  # type: ignore[arg-type]
    assert (await ids(ALL), await ids(ALL, ELSEWHERE)) == ([living.id, first.id], [second.id])
    assert timedelta(days=90) == KEPT_AFTER_REVOCATION
    later = datetime.now(UTC) + KEPT_AFTER_REVOCATION
    assert await get_services().workflow_keys.remove_old(later - timedelta(minutes=1)) == 0
    assert await get_services().workflow_keys.remove_old(later) == 2
    assert (await ids(ALL), await ids(ALL, ELSEWHERE)) == ([living.id], [])
    assert (await get_services().keys.open(living.raw_key)).key_id == living.id


async def test_one_sweep_removes_a_bounded_number_and_the_next_goes_on(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_REMOVED", 2)
    keys = [await new_key() for _ in range(3)]
    for key in keys:
        await revoke_key(key.id, ADMIN)
    later = datetime.now(UTC) + KEPT_AFTER_REVOCATION
    with count_storage_calls() as calls:
        assert await get_services().workflow_keys.remove_old(later) == 2
    assert calls.total == 5
    assert await ids(ALL) == [keys[2].id]
    assert await get_services().workflow_keys.remove_old(later) == 1
    with count_storage_calls() as calls:
        assert await get_services().workflow_keys.remove_old(later) == 0
    assert calls.total == 1
