"""/api/endpoints"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, RawReply, Reply, route
from functions.http.endpoint_replies import endpoint_reply
from functions.http.executed import EXECUTED_ANSWERS, executed_reply
from functions.http.routes import IDEMPOTENCY_KEY, AnyContent
from shared.access.principal import Access
from shared.errors import MethodNotAllowedError, TooManyRequestsError
from shared.handlers import endpoints_handlers

blueprint = func.Blueprint()

PATH = "endpoints/{workflowName}"
METHODS = ("GET", "POST", "PUT", "DELETE")


async def call_endpoint(call: Call[AnyContent, AnyContent]) -> Reply | RawReply:
    executed = await endpoints_handlers.call_endpoint(
        call.path["workflowName"], call.http, call.query_values, call.principal_or_none
    )
    if executed.response is not None:
        return endpoint_reply(executed.response)
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
        errors=(MethodNotAllowedError, TooManyRequestsError),
        runs_code=True,
        own_answers=True,
    )(call_endpoint)
