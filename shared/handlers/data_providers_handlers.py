"""Data providers: listing them and asking them for options."""

from __future__ import annotations

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.errors import ForbiddenError, NotFoundError
from shared.handlers.blanks import without_blanks
from shared.handlers.function_views import data_providers_of
from shared.handlers.provider_options import ask_provider, find_provider
from shared.models.data_providers import DataProviderList, ProviderOptions, ProviderQuery, ProviderRequest
from shared.registry import WORKFLOW, get_registry


async def list_data_providers() -> DataProviderList:
    """All data providers, by name."""
    await ensure_loaded()
    return DataProviderList(providers=data_providers_of(get_registry()))


async def get_data_provider_options_handler(
    name: str, asked: ProviderRequest | ProviderQuery, principal: Principal
) -> ProviderOptions:
    """The options of a provider, for administrators, and for users where the function is no workflow too.

    Args:
        name: the provider's.
        asked: as a body, or as a query has it.
        principal: who asks.

    Raises:
        FunctionNotFoundError: there is no data provider of this name.
        ForbiddenError: the caller is no administrator, and the function is a workflow too, `no_cache` was asked for, or
            `org_id` is not theirs.
        NotFoundError: an administrator's `org_id` is not the scope that they work in.
        InvalidInputError, ProviderFailedError, ProviderTimeoutError: see `ask_provider`.
    """
    provider = await find_provider(name)
    if isinstance(asked, ProviderQuery):
        asked = asked.as_request([parameter.name for parameter in provider.parameters])
        asked = asked.model_copy(update={"inputs": without_blanks(asked.inputs, provider)})
    _check_organization(asked.org_id, principal)
    if not principal.is_platform_admin:
        if provider.has_tag(WORKFLOW):
            raise ForbiddenError(f"{name} is a workflow too; only administrators ask it for options")
        if asked.no_cache:
            raise ForbiddenError("noCache is for administrators")
    return await ask_provider(provider, asked.inputs, principal, no_cache=asked.no_cache)


def _check_organization(org_id: str | None, principal: Principal) -> None:
    if org_id in (None, principal.scope):
        return
    if principal.is_platform_admin:
        raise NotFoundError("orgId is not the organization that this call works in; X-Organization-Id chooses it")
    raise ForbiddenError("orgId names an organization that is not yours")
