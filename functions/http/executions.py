"""/api/executions"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, route
from functions.http.routes import Nothing
from shared.auth import Access
from shared.handlers import executions_handlers as handlers
from shared.models.executions import (
    ExecutionDetail,
    ExecutionList,
    ExecutionListQuery,
    ExecutionLogsQuery,
    ExecutionLogsView,
    ExecutionResultView,
    ExecutionVariablesView,
)

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "executions",
    name="executions_list",
    access=Access.USER,
    summary="Executions, newest first: all of the scope for administrators, their own for others",
    query=ExecutionListQuery,
    answers={200: ExecutionList},
)
async def list_executions(call: Call[Nothing, ExecutionListQuery]) -> ExecutionList:
    return await handlers.list_executions(call.query, call.principal)


@route(
    blueprint,
    "GET",
    "executions/{executionId}",
    name="executions_get",
    access=Access.USER,
    summary="An execution",
    answers={200: ExecutionDetail},
)
async def get_execution(call: Call[Nothing, Nothing]) -> ExecutionDetail:
    return await handlers.get_execution(call.path["executionId"], call.principal)


@route(
    blueprint,
    "GET",
    "executions/{executionId}/result",
    name="executions_result",
    access=Access.USER,
    summary="An execution's result",
    answers={200: ExecutionResultView},
)
async def get_result(call: Call[Nothing, Nothing]) -> ExecutionResultView:
    return await handlers.get_result(call.path["executionId"], call.principal)


@route(
    blueprint,
    "GET",
    "executions/{executionId}/logs",
    name="executions_logs",
    access=Access.ADMIN,
    summary="An execution's log, from a cursor on; with `wait`, as soon as there is something new",
    query=ExecutionLogsQuery,
    answers={200: ExecutionLogsView},
)
async def get_logs(call: Call[Nothing, ExecutionLogsQuery]) -> ExecutionLogsView:
    return await handlers.get_logs(call.path["executionId"], call.query, call.principal)


@route(
    blueprint,
    "GET",
    "executions/{executionId}/variables",
    name="executions_variables",
    access=Access.ADMIN,
    summary="A script's variables at its end",
    answers={200: ExecutionVariablesView},
)
async def get_variables(call: Call[Nothing, Nothing]) -> ExecutionVariablesView:
    return await handlers.get_variables(call.path["executionId"], call.principal)
