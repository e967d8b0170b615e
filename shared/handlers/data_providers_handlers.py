"""Data providers: listing them and asking them for options."""

from __future__ import annotations

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.errors import ForbiddenError
from shared.handlers.parameter_views import parameter_model
from shared.handlers.provider_options import ask_provider, find_provider
from shared.models.data_providers import DataProviderList, DataProviderModel, ProviderOptions, ProviderRequest
from shared.registry import WORKFLOW, FunctionMetadata, get_registry


async def list_data_providers() -> DataProviderList:
    """All data providers, by name."""
    await ensure_loaded()
    return DataProviderList(providers=[_provider_model(found) for found in get_registry().get_all_data_providers()])


async def get_options(name: str, body: ProviderRequest, principal: Principal) -> ProviderOptions:
    """The options of a provider, for administrators, and for users where the function is no workflow too.

    Raises:
        FunctionNotFoundError: there is no data provider of this name.
        ForbiddenError: the caller is no administrator, and the function is a workflow too or `no_cache` was asked for.
        InvalidInputError, ProviderFailedError, ProviderTimeoutError: see `ask_provider`.
    """
    provider = await find_provider(name)
    if not principal.is_platform_admin:
        if provider.has_tag(WORKFLOW):
            raise ForbiddenError(f"{name} is a workflow too; only administrators ask it for options")
        if body.no_cache:
            raise ForbiddenError("noCache is for administrators")
    return await ask_provider(provider, body.inputs, principal, no_cache=body.no_cache)


def _provider_model(metadata: FunctionMetadata) -> DataProviderModel:
    return DataProviderModel(
        name=metadata.name,
        description=metadata.description,
        category=metadata.category,
        cache_ttl_seconds=metadata.cache_ttl_seconds,
        parameters=[parameter_model(parameter) for parameter in metadata.parameters],
    )
