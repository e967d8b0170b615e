"""/api/workflows"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.executed import EXECUTED_ANSWERS, executed_reply
from functions.http.routes import IDEMPOTENCY_KEY, Nothing
from shared.access.principal import Access
from shared.errors import ConflictError
from shared.handlers import workflows_handlers
from shared.models.executions import ExecuteRequest
from shared.models.forms import FormRequest
from shared.models.workflows import WorkflowModel

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "workflows",
    name="workflows_list",
    access=Access.USER,
    summary="The workflows of the workspace",
    answers={200: list[WorkflowModel]},
)
async def list_workflows(_: Call[Nothing, Nothing]) -> list[WorkflowModel]:
    return await workflows_handlers.list_workflows()


@route(
    blueprint,
    "GET",
    "workflows/{workflowName}/form",
    name="workflows_get_form",
    access=Access.USER,
    summary="A form made from the workflow's parameters, to be sent to POST /forms",
    answers={200: FormRequest},
    errors=(ConflictError,),
)
async def get_form(call: Call[Nothing, Nothing]) -> FormRequest:
    return await workflows_handlers.make_form(call.path["workflowName"])


@route(
    blueprint,
    "POST",
    "workflows/execute",
    name="workflows_execute",
    access=Access.ADMIN,
    summary="Runs a workflow, or inline code",
    body=ExecuteRequest,
    headers=(IDEMPOTENCY_KEY,),
    answers=EXECUTED_ANSWERS,
)
async def execute(call: Call[ExecuteRequest, Nothing]) -> Reply:
    return executed_reply(
        await workflows_handlers.execute_workflow_handler(call.body, call.principal, None, call.idempotency_key)
    )


@route(
    blueprint,
    "POST",
    "workflows/{workflowName}/execute",
    name="workflows_execute_named",
    access=Access.ADMIN,
    summary="Runs the workflow that the path names",
    body=ExecuteRequest,
    headers=(IDEMPOTENCY_KEY,),
    answers=EXECUTED_ANSWERS,
)
async def execute_named(call: Call[ExecuteRequest, Nothing]) -> Reply:
    executed = await workflows_handlers.execute_workflow_handler(
        call.body, call.principal, call.path["workflowName"], call.idempotency_key
    )
    return executed_reply(executed)
