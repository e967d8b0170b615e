"""Failed runs that leave no record: the error that such a run becomes, and how much of it the caller gets."""

from __future__ import annotations

import logging

from shared.access.principal import Principal
from shared.engine import ExecutionResult
from shared.errors import PlatformError, ProviderFailedError, ProviderTimeoutError
from shared.models.executions import ExecutionStatus

logger = logging.getLogger(__name__)


def failure_of(kind: str, name: str, result: ExecutionResult, principal: Principal) -> PlatformError:
    """The error that a failed run becomes; there is no record of it, so administrators get all of it here.

    Args:
        kind: what ran, such as `data provider`.
        name: its name.
        result: what the run came to.
        principal: who asked.
    """
    # No text of the exception, which may hold anything.
    where = (result.error_details or {}).get("where")
    logger.warning("The %s %s failed: %s at %s", kind, name, result.error_type or result.status, where)
    details = {"errorType": result.error_type, **(result.error_details or {}), "logs": result.logs}
    shown = details if principal.is_platform_admin else None
    if result.status is ExecutionStatus.TIMEOUT:
        return ProviderTimeoutError(result.error_message or f"The {kind} {name!r} did not answer in time", shown)
    # The author's own words, and what is wrong with the list of options.
    meant_for_all = (
        result.status is ExecutionStatus.COMPLETED_WITH_ERRORS
        or result.is_user_error
        or result.error_type == ProviderFailedError.code
    )
    if meant_for_all and result.error_message:
        return ProviderFailedError(result.error_message, shown)
    message = f"The {kind} {name!r} failed"
    if principal.is_platform_admin:
        message = f"{message}: {result.error_type}: {result.error_message}"
    return ProviderFailedError(message, shown)
