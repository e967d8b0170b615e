"""What a call of user code came to, as the result of its execution."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.errors import PlatformError
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.runtime.calls import Outcome
from shared.runtime.failures import message_of


def result_of(outcome: Outcome, execution_id: str, name: str, limit_seconds: float) -> ExecutionResult:
    """The end that the call itself told, or that it was stopped.

    Args:
        outcome: of a call whose value is an `ExecutionResult`.
        execution_id, name: of what ran.
        limit_seconds: how long it might take.
    """
    end = outcome.value
    if outcome.ending in ("timeout", "cancelled"):
        returned = isinstance(end, ExecutionResult) and end.status is not ExecutionStatus.FAILED
        if outcome.ending == "timeout" or not returned:
            return _stopped(outcome, execution_id, name, limit_seconds)
    if isinstance(end, ExecutionResult):
        return end
    # Even telling what happened failed: there was no memory for it, say.
    assert outcome.error is not None
    return ExecutionResult(
        execution_id=execution_id,
        status=ExecutionStatus.FAILED,
        error_type=type(outcome.error).__name__,
        error_message=message_of(outcome.error),
    )


def _stopped(outcome: Outcome, execution_id: str, name: str, limit_seconds: float) -> ExecutionResult:
    details: dict[str, Any] = {}
    if outcome.where is not None:
        details["where"] = outcome.where
    if outcome.abandoned:
        details["abandoned"] = True
    timed_out = outcome.ending == "timeout"
    reason = f"after {limit_seconds:g} s, its time limit" if timed_out else "because its end was asked for"
    return ExecutionResult(
        execution_id=execution_id,
        status=ExecutionStatus.TIMEOUT if timed_out else ExecutionStatus.CANCELLED,
        error_type="Timeout" if timed_out else "Cancelled",
        error_message=f"{name} was stopped {reason}",
        error_details=details or None,
        variables=outcome.value.variables if isinstance(outcome.value, ExecutionResult) else None,
    )


def refusal(execution_id: str, error: PlatformError) -> ExecutionResult:
    """The result of a request that was not run because of `error`."""
    return ExecutionResult(
        execution_id=execution_id,
        status=ExecutionStatus.FAILED,
        error_message=error.message,
        error_type=error.code,
        error_details=dict(error.details) if error.details is not None else None,
        completed_at=datetime.now(UTC),
    )
