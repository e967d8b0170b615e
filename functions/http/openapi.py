"""/api/openapi.json"""

from __future__ import annotations

import asyncio

import azure.functions as func

from functions.http.adapter import Call, RawReply, route
from functions.http.routes import JSON, Answer, Nothing
from shared.access.principal import Access
from shared.handlers import endpoints_handlers

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "openapi.json",
    name="openapi_get",
    access=Access.ANYONE,
    summary="This description; of the endpoints it has those that the caller may call",
    answers={200: Answer(dict)},
)
async def get_openapi(call: Call[Nothing, Nothing]) -> RawReply:
    endpoints = await endpoints_handlers.endpoints_for(call.principal_or_none)
    # Only who asks for the document pays for the modules that make it.
    from functions.openapi.document import document_text

    text = await asyncio.to_thread(document_text, endpoints)
    return RawReply(text.encode(), 200, {"Content-Type": JSON})
