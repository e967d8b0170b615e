"""/api/data-providers"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.errors import ProviderFailedError, ProviderTimeoutError
from shared.handlers import data_providers_handlers as handlers
from shared.models.data_providers import DataProviderList, ProviderOptions, ProviderQuery, ProviderRequest

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "data-providers",
    name="data_providers_list",
    access=Access.USER,
    summary="The data providers of the workspace",
    answers={200: DataProviderList},
)
async def list_data_providers(_: Call[Nothing, Nothing]) -> DataProviderList:
    return await handlers.list_data_providers()


@route(
    blueprint,
    "GET",
    "data-providers/{providerName}",
    name="data_providers_get_options",
    access=Access.USER,
    summary="A data provider's options; its inputs stand in the query",
    query=ProviderQuery,
    answers={200: ProviderOptions},
    errors=(ProviderFailedError, ProviderTimeoutError),
    runs_code=True,
)
async def get_options(call: Call[Nothing, ProviderQuery]) -> ProviderOptions:
    return await handlers.get_data_provider_options_handler(call.path["providerName"], call.query, call.principal)


@route(
    blueprint,
    "POST",
    "data-providers/{providerName}",
    name="data_providers_post_options",
    access=Access.USER,
    summary="A data provider's options; its inputs stand in the body",
    body=ProviderRequest,
    answers={200: ProviderOptions},
    errors=(ProviderFailedError, ProviderTimeoutError),
)
async def post_options(call: Call[ProviderRequest, Nothing]) -> ProviderOptions:
    return await handlers.get_data_provider_options_handler(call.path["providerName"], call.body, call.principal)
