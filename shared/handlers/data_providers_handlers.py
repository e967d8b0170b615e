"""Data providers: listing them and asking them for options."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, prepare
from shared.errors import ForbiddenError, NotFoundError, ProviderTimeoutError
from shared.handlers.function_views import data_providers_of
from shared.handlers.run_failures import failure_of
from shared.handlers.services import get_services
from shared.models.data_providers import DataProviderList, ProviderOptions, ProviderQuery, ProviderRequest
from shared.models.executions import ExecutionStatus
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, get_registry
from shared.runtime.watch import GRACE_SECONDS
from shared.settings.environment import DATA_PROVIDER_LIMIT_SECONDS

# A run ends by its own time limit; this is for one that waits, since all threads are busy, to be begun.
_ANSWER_LIMIT_SECONDS = DATA_PROVIDER_LIMIT_SECONDS + GRACE_SECONDS + 1


async def list_data_providers() -> DataProviderList:
    """All data providers, by name."""
    await ensure_loaded()
    return DataProviderList(providers=data_providers_of(get_registry()))


async def get_options(name: str, body: ProviderRequest, principal: Principal) -> ProviderOptions:
    """The options of a provider, for administrators, and for users where the function is no workflow too.

    Raises:
        ForbiddenError: the caller is no administrator, and the function is a workflow too, `no_cache` was asked for, or
            `org_id` is not theirs.
        NotFoundError: an administrator's `org_id` is not the scope that they work in; or see `provide_options`.
        InvalidInputError, ProviderFailedError, ProviderTimeoutError: see `provide_options`.
    """
    _check_organization(body.org_id, principal)
    metadata = await provider_metadata(name)
    if metadata is not None and not principal.is_platform_admin:
        if metadata.has_tag(WORKFLOW):
            raise ForbiddenError(f"{name} is a workflow too; only administrators ask it for options")
        if body.no_cache:
            raise ForbiddenError("noCache is for administrators")
    return await provide_options(name, body.inputs, principal, no_cache=body.no_cache)


async def query_options(name: str, query: ProviderQuery, principal: Principal) -> ProviderOptions:
    """The options of a provider by a query, see `get_options`."""
    metadata = await provider_metadata(name)
    parameters = [parameter.name for parameter in metadata.parameters] if metadata is not None else []
    return await get_options(name, query.as_request(parameters), principal)


async def provider_metadata(name: str) -> FunctionMetadata | None:
    """The data provider of this name; None when there is none."""
    await ensure_loaded()
    return get_registry().get_data_provider(name)


async def provide_options(
    name: str, inputs: Mapping[str, Any], principal: Principal, *, no_cache: bool = False
) -> ProviderOptions:
    """Asks a data provider, or gives its kept answer. Whether the caller may is for who calls this.

    Args:
        name: the provider's.
        inputs: its parameters, validated as a workflow's are.
        principal: who asks; their scope decides which answers there are.
        no_cache: whether the provider runs though an answer is at hand.

    Raises:
        NotFoundError: there is no data provider of this name.
        InvalidInputError: parameters are wrong, each of them named.
        ProviderFailedError: it raised, or gave something that is no list of options.
        ProviderTimeoutError: it did not answer within its time, 60 s at most.
    """
    await ensure_loaded()
    request = ExecutionRequest(
        execution_id=str(uuid.uuid4()),
        caller=principal.caller,
        organization=principal.organization,
        name=name,
        parameters=inputs,
        no_cache=no_cache,
        is_platform_admin=principal.is_platform_admin,
        use=DATA_PROVIDER,
    )
    prepared = prepare(request)
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_SECONDS):
            result = await get_services().engine.run(prepared)
    except TimeoutError:
        raise ProviderTimeoutError(f"The data provider {name!r} did not answer in time") from None
    if result.status is not ExecutionStatus.SUCCESS:
        raise failure_of("data provider", name, result, principal)
    expires_at = result.cache_expires_at
    return ProviderOptions.model_construct(
        provider=name,
        options=result.result,
        cached=result.cached,
        cache_expires_at=datetime.fromisoformat(expires_at) if expires_at is not None else None,
        stale=result.stale,
    )


def _check_organization(org_id: str | None, principal: Principal) -> None:
    if org_id in (None, principal.scope):
        return
    if principal.is_platform_admin:
        raise NotFoundError("orgId is not the organization that this call works in; X-Organization-Id chooses it")
    raise ForbiddenError("orgId names an organization that is not yours")
