"""Asking data providers for options; whether the caller may is for who calls this."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, prepare, resolve
from shared.errors import FunctionNotFoundError, ProviderTimeoutError
from shared.handlers.run_failures import failure_of
from shared.handlers.services import get_services
from shared.models.data_providers import ProviderOptions
from shared.models.executions import ExecutionStatus
from shared.parameters.validation import plan_of
from shared.registry import DATA_PROVIDER, FunctionMetadata
from shared.runtime.watch import GRACE_SECONDS
from shared.settings.environment import DATA_PROVIDER_LIMIT_SECONDS

# A run ends by its own time limit; this is for one that waits, since all threads are busy, to be begun.
_ANSWER_LIMIT_SECONDS = DATA_PROVIDER_LIMIT_SECONDS + GRACE_SECONDS + 1


async def find_provider(name: str) -> FunctionMetadata:
    """The data provider of this name, to be asked with `ask_provider`.

    Raises:
        FunctionNotFoundError: there is none.
    """
    await ensure_loaded()
    return resolve(name, DATA_PROVIDER)


async def find_providers(names: Iterable[str]) -> dict[str, FunctionMetadata]:
    """Those of the data providers of these names that there are."""
    await ensure_loaded()
    found: dict[str, FunctionMetadata] = {}
    for name in dict.fromkeys(names):
        with contextlib.suppress(FunctionNotFoundError):
            found[name] = resolve(name, DATA_PROVIDER)
    return found


def takes_input(provider: FunctionMetadata, name: str) -> bool:
    """Whether a provider has a parameter of this name, or takes any."""
    return plan_of(provider).validator.takes(name)


async def provide_options(
    name: str, inputs: Mapping[str, Any], principal: Principal, *, no_cache: bool = False
) -> ProviderOptions:
    """Asks the data provider of this name; arguments and errors as in `ask_provider`.

    Raises:
        FunctionNotFoundError: there is none.
    """
    return await ask_provider(await find_provider(name), inputs, principal, no_cache=no_cache)


async def ask_provider(
    provider: FunctionMetadata, inputs: Mapping[str, Any], principal: Principal, *, no_cache: bool = False
) -> ProviderOptions:
    """Asks a data provider, or gives its cached answer.

    Args:
        provider: as `find_provider` gives it.
        inputs: its parameters, validated as a workflow's are.
        principal: who asks; their scope decides which answers there are.
        no_cache: whether the provider runs though an answer is at hand.

    Raises:
        InvalidInputError: parameters are wrong, each of them named.
        ProviderFailedError: it raised, or gave something that is no list of options.
        ProviderTimeoutError: it did not answer within its time, 60 s at most.
    """
    request = ExecutionRequest(
        execution_id=str(uuid.uuid4()),
        caller=principal.caller,
        organization=principal.organization,
        name=provider.name,
        parameters=inputs,
        no_cache=no_cache,
        is_platform_admin=principal.is_platform_admin,
        use=DATA_PROVIDER,
    )
    prepared = prepare(request, provider)
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_SECONDS):
            result = await get_services().engine.run(prepared)
    except TimeoutError:
        raise ProviderTimeoutError(f"The data provider {provider.name!r} did not answer in time") from None
    if result.status is not ExecutionStatus.SUCCESS:
        raise failure_of("data provider", provider.name, result, principal)
    expires_at = result.cache_expires_at
    return ProviderOptions.model_construct(
        provider=provider.name,
        options=result.result,
        cached=result.cached,
        cache_expires_at=datetime.fromisoformat(expires_at) if expires_at is not None else None,
        stale=result.stale,
    )
