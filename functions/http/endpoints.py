"""/api/endpoints"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, RawReply, Reply, error_reply, route
from functions.http.endpoint_replies import endpoint_reply
from functions.http.executed import EXECUTED_ANSWERS, executed_reply, headers_of
from functions.http.routes import IDEMPOTENCY_KEY, AnyContent
from shared.access.principal import Access
from shared.errors import MethodNotAllowedError, TooManyRequestsError, WorkflowFailedError, WorkflowTimeoutError
from shared.handlers import endpoints_handlers

blueprint = func.Blueprint()

PATH = "endpoints/{workflowName}"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def call_endpoint(call: Call[AnyContent, AnyContent]) -> Reply | RawReply:
    executed = await endpoints_handlers.call_endpoint(
        call.path["workflowName"], call.http, call.query_values, call.url, call.principal_or_none
    )
    if executed is None:
        return RawReply(b"", 200, {})
    if executed.failure is not None:
        return error_reply(executed.failure, headers_of(executed))
    if executed.response is not None:
        return endpoint_reply(executed.response, headers_of(executed))
    return executed_reply(executed)


for method in METHODS:
    route(
        blueprint,
        method,
        PATH,
        name=f"endpoints_{method.lower()}",
        access=Access.ENDPOINT,
        summary="Runs the workflow behind an endpoint; query and body are its parameters",
        body=AnyContent,
        query=AnyContent,
        headers=(IDEMPOTENCY_KEY,),
        answers=EXECUTED_ANSWERS,
        errors=(MethodNotAllowedError, TooManyRequestsError, WorkflowFailedError, WorkflowTimeoutError),
        runs_code=True,
        own_answers=True,
    )(call_endpoint)
