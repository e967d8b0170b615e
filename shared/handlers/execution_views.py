"""Executions as callers see them: which parts of a record become which answer, and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.access.principal import Principal
from shared.models.executions import ExecutionDetail, ExecutionLinks, ExecutionResponse, ExecutionStatus
from shared.models.results import ExecutionResult, JsonObject
from shared.repositories.executions.record import ExecutionRecord

# What a failure's details hold for administrators alone: source lines, local variables, and where in the code it was.
_ADMIN_DETAILS = frozenset({"cleanupError", "failure", "where"})
_TOLD_TO_ANYBODY = "The workflow failed"


def response_of(record: ExecutionRecord, principal: Principal, *, is_transient: bool = False) -> ExecutionResponse:
    """What a run came to, as far as the caller may see it."""
    admin = principal.is_platform_admin
    end = record.end or ExecutionResult(execution_id=record.execution_id, status=record.status, duration_ms=None)
    if end.status is ExecutionStatus.FAILED and principal.is_public and not end.is_user_error:
        # What an exception says can be anything, and is not for everybody.
        end = replace(end, error_message=_TOLD_TO_ANYBODY, error_type=None, error_details=None)
    return ExecutionResponse(
        execution_id=record.execution_id,
        status=record.status,
        result=end.result,
        error=end.error_message,
        error_type=end.error_type,
        details=_details_of(end.error_details, admin=admin),
        duration_ms=_whole(end.duration_ms),
        started_at=record.started_at,
        completed_at=end.completed_at,
        logs=[dict(entry) for entry in end.logs] if admin else None,
        variables=dict(end.variables) if admin and end.variables is not None else None,
        is_transient=is_transient,
    )


def detail_of(record: ExecutionRecord, principal: Principal) -> ExecutionDetail:
    """The execution, whole, as far as the caller may see it."""
    return ExecutionDetail(
        **dict(response_of(record, principal)),
        workflow_name=record.workflow_name,
        org_id=record.org_id,
        form_id=record.form_id,
        executed_by=record.executed_by,
        executed_by_name=record.executed_by_name,
        input_data=dict(record.input_data) if record.input_data is not None else None,
        rerun_of=record.rerun_of,
        result_type=record.end.result_type if record.end is not None else None,
        attempt=record.attempt,
        attempts=[_attempt_of(outcome, principal) for outcome in record.attempts],
        progress=dict(record.progress) if record.progress is not None else None,
        storage_calls=record.storage_calls,
    )


def links_of(record: ExecutionRecord, principal: Principal) -> ExecutionLinks:
    """Where the caller may look next: `logs` are for administrators; anybody at a public endpoint gets the result."""
    own = f"/api/executions/{record.execution_id}"
    if principal.is_public:
        return ExecutionLinks.model_validate({"self": f"{own}/result"})
    logs = f"{own}/logs" if principal.is_platform_admin else None
    return ExecutionLinks.model_validate({"self": own, "logs": logs, "cancel": f"{own}/cancel"})


def _attempt_of(outcome: JsonObject, principal: Principal) -> dict[str, Any]:
    """What an earlier attempt came to; its log is for administrators."""
    admin = principal.is_platform_admin
    details = _details_of(outcome["details"], admin=admin)
    took = _whole(outcome.get("durationMs"))
    return {**outcome, "details": details, "durationMs": took, "logs": outcome["logs"] if admin else None}


def _whole(milliseconds: float | None) -> int | None:
    """What is measured, and what older records hold, has fractions."""
    return None if milliseconds is None else round(milliseconds)


def _details_of(details: JsonObject | None, *, admin: bool) -> dict[str, Any] | None:
    if details is None:
        return None
    shown = {key: value for key, value in details.items() if admin or key not in _ADMIN_DETAILS}
    return shown or None
