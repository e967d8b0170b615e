"""/api/discovery"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.handlers import discovery_handlers as handlers
from shared.models.discovery import Discovery

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "discovery",
    name="discovery_get",
    access=Access.USER,
    summary="The workflows and data providers of the workspace, in one answer",
    answers={200: Discovery},
)
async def get_discovery(_: Call[Nothing, Nothing]) -> Discovery:
    return await handlers.get_discovery()
