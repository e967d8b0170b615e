"""/api/health"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.handlers import health_handlers
from shared.models.health import HealthModel

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "health",
    name="health_get",
    access=Access.ANYONE,
    summary="Whether the app can do its work",
    answers={200: HealthModel},
)
async def get_health(call: Call[Nothing, Nothing]) -> HealthModel:
    return await health_handlers.get_health(call.principal_or_none)
