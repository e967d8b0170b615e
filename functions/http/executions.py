"""/api/executions"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.executed import EXECUTED_ANSWERS, executed_reply
from functions.http.routes import IDEMPOTENCY_KEY, RESULT_TOKEN, Nothing
from shared.access.principal import Access
from shared.errors import ConflictError, InvalidInputError
from shared.handlers import executions_handlers as handlers
from shared.models.executions import (
    ExecutionAccepted,
    ExecutionDetail,
    ExecutionList,
    ExecutionListQuery,
    ExecutionLogsQuery,
    ExecutionLogsView,
    ExecutionResultView,
    ExecutionVariablesView,
    RerunRequest,
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
    access=Access.OWNER,
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
    access=Access.RESULT,
    summary="An execution's result",
    headers=(RESULT_TOKEN,),
    answers={200: ExecutionResultView},
)
async def get_result(call: Call[Nothing, Nothing]) -> ExecutionResultView:
    token = call.header(RESULT_TOKEN)
    return await handlers.get_result(call.path["executionId"], call.principal_or_none, token)


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


@route(
    blueprint,
    "POST",
    "executions/{executionId}/cancel",
    name="executions_cancel",
    access=Access.OWNER,
    summary="Asks for the end of an execution",
    answers={202: ExecutionAccepted},
    errors=(ConflictError,),
)
async def cancel_execution(call: Call[Nothing, Nothing]) -> Reply:
    return Reply(await handlers.cancel_execution(call.path["executionId"], call.principal), 202)


@route(
    blueprint,
    "POST",
    "executions/{executionId}/rerun",
    name="executions_rerun",
    access=Access.ADMIN,
    summary="Runs an execution's workflow again, with the same input but for what the body gives",
    body=RerunRequest,
    headers=(IDEMPOTENCY_KEY,),
    answers=EXECUTED_ANSWERS,
    errors=(InvalidInputError,),
)
async def rerun_execution(call: Call[RerunRequest, Nothing]) -> Reply:
    return executed_reply(
        await handlers.rerun_execution(
            call.path["executionId"], call.principal, call.idempotency_key, input_data=call.body.input_data
        )
    )
