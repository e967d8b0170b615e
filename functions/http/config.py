"""/api/config"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.errors import ConflictError
from shared.handlers import configuration_handlers as handlers
from shared.models.configuration import ConfigScopeQuery, ConfigValue, ConfigWrite

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "config",
    name="config_list",
    access=Access.ADMIN,
    summary="The configuration values of the scope, then the global ones",
    answers={200: list[ConfigValue]},
)
async def list_config(call: Call[Nothing, Nothing]) -> list[ConfigValue]:
    return await handlers.list_config(call.principal)


@route(
    blueprint,
    "POST",
    "config",
    name="config_set",
    access=Access.ADMIN,
    summary="Sets a configuration value: 201 when there was none of its key, else 200",
    body=ConfigWrite,
    answers={200: ConfigValue, 201: ConfigValue},
    errors=(ConflictError,),
)
async def set_config(call: Call[ConfigWrite, Nothing]) -> Reply:
    value, is_new = await handlers.set_config(call.body, call.principal)
    return Reply(value, 201 if is_new else 200)


@route(
    blueprint,
    "DELETE",
    "config/{key}",
    name="config_delete",
    access=Access.ADMIN,
    summary="Removes a configuration value",
    query=ConfigScopeQuery,
    answers={204: None},
    errors=(ConflictError,),
)
async def delete_config(call: Call[Nothing, ConfigScopeQuery]) -> Reply:
    await handlers.delete_config(call.path["key"], call.query.scope, call.principal)
    return Reply(None, 204)
