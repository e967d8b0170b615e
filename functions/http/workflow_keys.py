"""/api/workflow-keys"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.handlers import workflow_keys_handlers as handlers
from shared.models.workflow_keys import CreatedWorkflowKey, WorkflowKey, WorkflowKeyCreate, WorkflowKeyListQuery

blueprint = func.Blueprint()


@route(
    blueprint,
    "POST",
    "workflow-keys",
    name="workflow_keys_create",
    access=Access.ADMIN,
    summary="Makes an access key; the answer shows it this once",
    body=WorkflowKeyCreate,
    answers={201: CreatedWorkflowKey},
)
async def create_key(call: Call[WorkflowKeyCreate, Nothing]) -> Reply:
    return Reply(await handlers.create_key(call.body, call.principal), 201)


@route(
    blueprint,
    "GET",
    "workflow-keys",
    name="workflow_keys_list",
    access=Access.ADMIN,
    summary="The access keys of the scope, newest first",
    query=WorkflowKeyListQuery,
    answers={200: list[WorkflowKey]},
)
async def list_keys(call: Call[Nothing, WorkflowKeyListQuery]) -> list[WorkflowKey]:
    return await handlers.list_keys(call.query, call.principal)


@route(
    blueprint,
    "DELETE",
    "workflow-keys/{keyId}",
    name="workflow_keys_revoke",
    access=Access.ADMIN,
    summary="Revokes an access key; it stays in the list for who asks for revoked ones",
    answers={204: None},
)
async def revoke_key(call: Call[Nothing, Nothing]) -> Reply:
    await handlers.revoke_key(call.path["keyId"], call.principal)
    return Reply(None, 204)
