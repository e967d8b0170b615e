"""/api/workflows"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.routes import Nothing
from shared.auth import Access
from shared.handlers import workflows_handlers
from shared.models.executions import ExecuteRequest, ExecutionAccepted, ExecutionResponse
from shared.models.workflows import WorkflowModel

blueprint = func.Blueprint()

_EXECUTED: dict[int, object] = {200: ExecutionResponse, 202: ExecutionAccepted}


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
    "POST",
    "workflows/execute",
    name="workflows_execute",
    access=Access.ADMIN,
    summary="Runs a workflow, or inline code",
    body=ExecuteRequest,
    answers=_EXECUTED,
)
async def execute(call: Call[ExecuteRequest, Nothing]) -> Reply:
    return _reply(await workflows_handlers.execute_workflow(call.body, call.principal))


@route(
    blueprint,
    "POST",
    "workflows/{workflowName}/execute",
    name="workflows_execute_named",
    access=Access.ADMIN,
    summary="Runs the workflow that the path names",
    body=ExecuteRequest,
    answers=_EXECUTED,
)
async def execute_named(call: Call[ExecuteRequest, Nothing]) -> Reply:
    return _reply(await workflows_handlers.execute_workflow(call.body, call.principal, call.path["workflowName"]))


def _reply(executed: workflows_handlers.Executed) -> Reply:
    headers = {} if executed.recorded else {"Execution-Recorded": "false"}
    if isinstance(executed.answer, ExecutionAccepted):
        return Reply(executed.answer, 202, {**headers, "Location": executed.answer.links.self_})
    return Reply(executed.answer, 200, headers)
