"""What a call of user code came to, as the result of its execution."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.errors import ExecutionStopped, PlatformError
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.runtime.calls import Outcome
from shared.runtime.failures import message_of
from shared.runtime.interruption import CancelledError

# What a run fails with that did nothing but end when it was told to.
_STOPS = frozenset({CancelledError.__name__, ExecutionStopped.__name__})


def result_of(outcome: Outcome, execution_id: str, name: str, limit_seconds: float) -> ExecutionResult:
    """The end that the call itself told, or that it was stopped.

    Args:
        outcome: of a call whose value is an `ExecutionResult`.
        execution_id, name: of what ran.
        limit_seconds: how long it might take.
    """
    end = outcome.value if isinstance(outcome.value, ExecutionResult) else None
    if outcome.ending in ("timeout", "cancelled"):
        if end is None or end.status is ExecutionStatus.FAILED:
            return _stopped(outcome, end, execution_id, name, limit_seconds)
        # It came to its end by itself, be it because it saw that it should.
        return replace(end, error_details={**(end.error_details or {}), "cancelRequested": True})
    if end is not None:
        return end
    # Even telling what happened failed: there was no memory for it, say.
    assert outcome.error is not None
    return ExecutionResult(
        execution_id=execution_id,
        status=ExecutionStatus.FAILED,
        error_type=type(outcome.error).__name__,
        error_message=message_of(outcome.error),
    )


def _stopped(
    outcome: Outcome, end: ExecutionResult | None, execution_id: str, name: str, limit_seconds: float
) -> ExecutionResult:
    details: dict[str, Any] = {}
    if end is not None and end.error_type not in _STOPS:
        # What clean-up raised would be lost with the run's status.
        details.update(end.error_details or {})
        details["cleanupError"] = f"{end.error_type}: {end.error_message}"
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
        variables=end.variables if end is not None else None,
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
