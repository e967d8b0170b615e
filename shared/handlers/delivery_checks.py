"""Whether a call of an endpoint comes from whom its workflow expects: checked before anything is recorded."""

from __future__ import annotations

import asyncio
import logging

from shared.access.client_address import client_address
from shared.access.principal import Principal
from shared.context import HttpRequestInfo
from shared.errors import ConfigurationError, ServiceUnavailableError, UnauthorizedError
from shared.handlers.services import get_services
from shared.settings.environment import get_settings
from shared.webhooks.signatures import SignatureRefusedError, Verification

logger = logging.getLogger(__name__)

# Signing this much holds up the event loop for about a millisecond.
_LARGE_BODY_BYTES = 256 * 1024
_RETRY_AFTER_SECONDS = 60


async def check_delivery(
    name: str, verification: Verification, request: HttpRequestInfo, url: str, principal: Principal
) -> None:
    """Checks what a request proves, with the secret of the caller's scope.

    Requests that are refused have a bound of their own, by the address that they come from, which right ones are never
    held against.

    Args:
        name: the workflow's.
        verification: what it declares.
        request: as it came.
        url: the whole address that was called.
        principal: who calls.

    Raises:
        UnauthorizedError: the proof is missing, wrong or too old.
        TooManyRequestsError: so were too many others from this address.
        ServiceUnavailableError: the secret can't be had; the app's log says why.
    """
    services = get_services()
    try:
        secret = await services.configuration.secret(principal.scope, verification.secret)
    except ConfigurationError as error:
        _count_refused(request)
        logger.error("The endpoint %s takes no calls, since they can't be verified: %s", name, error)  # noqa: TRY400 - the traceback says nothing more
        told = f": {error}" if principal.is_platform_admin else ""
        raise ServiceUnavailableError(
            f"This endpoint can't verify calls, and so takes none now{told}", _RETRY_AFTER_SECONDS
        ) from None
    try:
        if len(request.body) > _LARGE_BODY_BYTES:
            await asyncio.to_thread(verification.check, secret, request.headers, request.body, url)
        else:
            verification.check(secret, request.headers, request.body, url)
    except SignatureRefusedError as error:
        _count_refused(request)
        logger.info("A call of the endpoint %s was refused: %s", name, error)
        raise UnauthorizedError(str(error)) from None


def check_own_refusals(name: str, request: HttpRequestInfo) -> None:
    """Holds a call against those from its address that the workflow itself has refused with a 401.

    Raises:
        TooManyRequestsError: these were too many.
    """
    get_services().refusals.check(_of_address(request, name), get_settings().public_rate_per_minute)


def count_own_refusal(name: str, request: HttpRequestInfo) -> None:
    """Counts a call that the workflow itself has refused with a 401, for its address and not for all callers."""
    services = get_services()
    services.refusals.take(_of_address(request, name), get_settings().public_rate_per_minute)
    services.rates.give_back(f"public:{name}")


def _count_refused(request: HttpRequestInfo) -> None:
    get_services().refusals.take(_of_address(request), get_settings().public_rate_per_minute)


def _of_address(request: HttpRequestInfo, *parts: str) -> str:
    return " ".join([client_address(request.headers, hosted=get_settings().hosted), *parts])
