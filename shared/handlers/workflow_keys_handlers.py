"""Access keys: making, listing and revoking them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.errors import FieldError, InvalidInputError, NotFoundError
from shared.handlers.services import get_services
from shared.models.workflow_keys import CreatedWorkflowKey, WorkflowKey, WorkflowKeyCreate, WorkflowKeyListQuery
from shared.registry import WORKFLOW, get_registry
from shared.repositories.workflow_keys import (
    AccessKey,
    ListedKey,
    hash_of,
    new_key_id,
    new_raw_key,
)


async def create_key(body: WorkflowKeyCreate, principal: Principal) -> CreatedWorkflowKey:
    """Makes a key of the caller's scope. The answer is the only place where it ever stands.

    Raises:
        InvalidInputError: there is no such workflow, or `disableGlobalKey` came without one.
    """
    await _check(body)
    now = datetime.now(UTC)
    raw_key = new_raw_key()
    key = AccessKey(
        key_id=new_key_id(),
        scope=principal.scope,
        workflow_name=body.workflow_id,
        description=body.description,
        expires_at=now + timedelta(days=body.expires_in_days) if body.expires_in_days is not None else None,
    )
    listed = ListedKey(
        key=key,
        masked_key=f"{raw_key[:3]}…{raw_key[-4:]}",
        closes_workflow=body.disable_global_key,
        created_by=principal.caller.user_id,
        created_at=now,
        last_used_at=None,
    )
    await get_services().audit.record(principal, "key.create", key.key_id, {"workflowId": key.workflow_name})
    await get_services().workflow_keys.create(listed, hash_of(raw_key))
    if body.disable_global_key:
        get_services().keys.invalidate()
    return CreatedWorkflowKey(**dict(_view_of(listed)), raw_key=raw_key)


async def list_keys(query: WorkflowKeyListQuery, principal: Principal) -> list[WorkflowKey]:
    """The keys of the caller's scope, newest first."""
    return [
        _view_of(listed)
        for listed in await get_services().workflow_keys.list(principal.scope)
        if (query.include_revoked or listed.revoked_at is None)
        and query.workflow_id in (None, listed.key.workflow_name)
    ]


async def revoke_key(key_id: str, principal: Principal) -> None:
    """Revokes a key of the caller's scope: at once in this process, within seconds in all others.

    Raises:
        NotFoundError: there is no such key in the scope, or it is revoked already.
    """
    keys = await get_services().workflow_keys.list(principal.scope)
    if key_id not in {listed.key.key_id for listed in keys if listed.revoked_at is None}:
        raise NotFoundError("There is no access key of this id")
    await get_services().audit.record(principal, "key.revoke", key_id)
    await get_services().workflow_keys.revoke(principal.scope, key_id, datetime.now(UTC))
    get_services().keys.invalidate()


async def _check(body: WorkflowKeyCreate) -> None:
    problem: tuple[str, str, str] | None = None
    if body.workflow_id is None:
        if body.disable_global_key:
            problem = ("disableGlobalKey", "missing_workflow", "Say with workflowId which workflow is to take its own")
    else:
        await ensure_loaded()
        if not get_registry().has_workflow(body.workflow_id):
            hint = get_registry().did_you_mean(body.workflow_id, WORKFLOW)
            problem = ("workflowId", "unknown_workflow", f"There is no workflow {body.workflow_id!r}{hint}")
    if problem is not None:
        field, kind, message = problem
        error = FieldError(loc=["body", field], type=kind, msg=message)
        raise InvalidInputError(f"The body is not valid: {field}", [error])


def _view_of(listed: ListedKey) -> WorkflowKey:
    key = listed.key
    return WorkflowKey(
        id=key.key_id,
        masked_key=listed.masked_key,
        workflow_id=key.workflow_name,
        description=key.description,
        disable_global_key=listed.closes_workflow,
        created_by=listed.created_by,
        created_at=listed.created_at,
        expires_at=key.expires_at,
        last_used_at=listed.last_used_at,
        revoked=listed.revoked_at is not None,
        revoked_at=listed.revoked_at,
    )
