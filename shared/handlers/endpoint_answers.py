"""What an endpoint's caller is told of a run that failed; for machines it is an HTTP error."""

from __future__ import annotations

from typing import Any

from shared.errors import WorkflowFailedError, WorkflowTimeoutError
from shared.models.executions import ExecutionResponse, ExecutionStatus

_TOLD_TO_ANYBODY = {
    ExecutionStatus.FAILED: "The workflow failed",
    ExecutionStatus.CANCELLED: "The workflow was cancelled",
    ExecutionStatus.TIMEOUT: "The workflow was stopped at its time limit",
}


def failure_of_run(
    response: ExecutionResponse, user_status: int | None, *, is_public: bool
) -> WorkflowFailedError | None:
    """The error that a run is answered with; None for one that ended well, `success: False` among them.

    Args:
        response: what the caller may see of the run.
        user_status: of the `UserError` that ended it; None when none did.
        is_public: whether anybody may be calling, who is told a `UserError`'s message alone.
    """
    told = _TOLD_TO_ANYBODY.get(response.status)
    if told is None:
        return None
    details: dict[str, Any] = {"executionId": response.execution_id, "status": str(response.status)}
    message = told
    if not is_public or user_status is not None:
        message = response.error or told
        details = {**(response.details or {}), **details, "errorType": response.error_type}
    if response.status is ExecutionStatus.TIMEOUT:
        return WorkflowTimeoutError(message, details)
    return WorkflowFailedError(message, details, user_status)
