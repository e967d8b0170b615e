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
from shared.webhook_signatures import SignatureRefusedError, Verification

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


def _count_refused(request: HttpRequestInfo) -> None:
    settings = get_settings()
    address = client_address(request.headers, hosted=settings.hosted)
    get_services().refusals.take(address, settings.public_rate_per_minute)
