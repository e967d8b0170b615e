"""Data providers: listing them and asking them for options."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.auth import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, ExecutionResult, prepare, run
from shared.errors import (
    ForbiddenError,
    PlatformError,
    ProviderFailedError,
    ProviderTimeoutError,
    UserError,
)
from shared.handlers.workflows_handlers import parameter_model
from shared.models.data_providers import DataProviderList, DataProviderModel, ProviderOptions, ProviderRequest
from shared.models.executions import ExecutionStatus
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, get_registry
from shared.running import GRACE_SECONDS
from shared.settings import DATA_PROVIDER_LIMIT_SECONDS

logger = logging.getLogger(__name__)

# Whose messages are meant for the caller: the author's own words, and what is wrong with the list of options.
_TOLD_TO_EVERYBODY = frozenset({UserError.__name__, ProviderFailedError.code})

# A run ends by its own time limit; this is for one that waits, since all threads are busy, to be begun.
_ANSWER_LIMIT_SECONDS = DATA_PROVIDER_LIMIT_SECONDS + GRACE_SECONDS + 1


async def list_data_providers() -> DataProviderList:
    """All data providers, by name."""
    await ensure_loaded()
    return DataProviderList(providers=[_provider_model(found) for found in get_registry().get_all_data_providers()])


async def get_options(name: str, body: ProviderRequest, principal: Principal) -> ProviderOptions:
    """The options of a provider, for administrators, and for users where the function is no workflow too.

    Raises:
        ForbiddenError: the caller is no administrator, and the function is a workflow too or `no_cache` was asked for.
        NotFoundError, InvalidInputError, ProviderFailedError, ProviderTimeoutError: see `provide_options`.
    """
    metadata = await provider_metadata(name)
    if metadata is not None and not principal.is_platform_admin:
        if metadata.has_tag(WORKFLOW):
            raise ForbiddenError(f"{name} is a workflow too; only administrators ask it for options")
        if body.no_cache:
            raise ForbiddenError("noCache is for administrators")
    return await provide_options(name, body.inputs, principal, no_cache=body.no_cache)


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
            result = await run(prepared)
    except TimeoutError:
        raise ProviderTimeoutError(f"The data provider {name!r} did not answer in time") from None
    if result.status is not ExecutionStatus.SUCCESS:
        raise _failure_of(name, result, principal)
    expires_at = result.cache_expires_at
    return ProviderOptions.model_construct(
        provider=name,
        options=result.result,
        cached=result.cached,
        cache_expires_at=datetime.fromisoformat(expires_at) if expires_at is not None else None,
        stale=result.stale,
    )


def _failure_of(name: str, result: ExecutionResult, principal: Principal) -> PlatformError:
    """The error that a failed run becomes; there is no record of it, so administrators get all of it here."""
    # No text of the exception, which may hold anything.
    where = (result.error_details or {}).get("where")
    logger.warning("The data provider %s failed: %s at %s", name, result.error_type or result.status, where)
    details = {"errorType": result.error_type, **(result.error_details or {}), "logs": result.logs}
    shown = details if principal.is_platform_admin else None
    if result.status is ExecutionStatus.TIMEOUT:
        return ProviderTimeoutError(result.error_message or f"The data provider {name!r} did not answer in time", shown)
    meant_for_all = result.status is ExecutionStatus.COMPLETED_WITH_ERRORS or result.error_type in _TOLD_TO_EVERYBODY
    if meant_for_all and result.error_message:
        return ProviderFailedError(result.error_message, shown)
    message = f"The data provider {name!r} failed"
    if principal.is_platform_admin:
        message = f"{message}: {result.error_type}: {result.error_message}"
    return ProviderFailedError(message, shown)


def _provider_model(metadata: FunctionMetadata) -> DataProviderModel:
    return DataProviderModel(
        name=metadata.name,
        description=metadata.description,
        category=metadata.category,
        cache_ttl_seconds=metadata.cache_ttl_seconds,
        parameters=[parameter_model(parameter) for parameter in metadata.parameters],
    )
