"""A request as it is recorded, and as a worker has it back from the record."""

from __future__ import annotations

from datetime import datetime

from shared.context import Caller, HttpRequestInfo, Organization
from shared.engine import PreparedExecution
from shared.execution_request import ExecutionRequest
from shared.executions.lease import lease_from
from shared.models.executions import ExecutionStatus
from shared.parameters.secrets import without_secrets
from shared.registry import WORKFLOW
from shared.repositories.executions.keys import RecordKeys, tail_of
from shared.repositories.executions.record import ExecutionRecord
from shared.serialization import to_json
from shared.storage.keys import key_text


def record_of(prepared: PreparedExecution, now: datetime, *, is_queued: bool) -> ExecutionRecord:
    """The record of a run that begins now, or waits for a worker from now on."""
    request, scope = prepared.request, prepared.request.scope
    # What the caller sent, not what validation made of it: a run from the queue is validated again.
    sent = to_json(dict(request.parameters))
    shown = without_secrets(sent, prepared.secrets) if prepared.secrets else None
    return ExecutionRecord(
        execution_id=request.execution_id,
        scope=scope,
        keys=RecordKeys.of(key_text(scope), tail_of(request.execution_id), prepared.name, request.caller.user_id),
        workflow_name=prepared.name,
        is_script=prepared.script is not None,
        form_id=request.form_id,
        executed_by=request.caller.user_id,
        executed_by_name=request.caller.name,
        executed_by_email=request.caller.email,
        is_platform_admin=request.is_platform_admin,
        is_function_key=request.is_function_key,
        is_queued=is_queued,
        status=ExecutionStatus.PENDING if is_queued else ExecutionStatus.RUNNING,
        created_at=now,
        started_at=None if is_queued else now,
        lease_until=None if is_queued else lease_from(now),
        input_data=sent if shown is None else shown,
        hidden_input=None if shown is None else sent,
        http=request.http.as_json() if request.http is not None and is_queued else None,
        files=request.files or None,
        result_token_digest=request.result_token_digest,
        rerun_of=request.rerun_of,
        code=request.code,
        attempt=request.attempt,
        # The queue message is a call that the store does not see.
        storage_calls=1 if is_queued else 0,
    )


def request_of(record: ExecutionRecord, organization: Organization | None) -> ExecutionRequest:
    """What a worker is to run, for the organization that the record names."""
    return ExecutionRequest(
        execution_id=record.execution_id,
        caller=Caller(record.executed_by, record.executed_by_email, record.executed_by_name),
        organization=organization,
        name=record.workflow_name,
        parameters=record.run_input,
        is_platform_admin=record.is_platform_admin,
        is_function_key=record.is_function_key,
        form_id=record.form_id,
        rerun_of=record.rerun_of,
        secrets=record.secrets,
        files=record.files or {},
        http=HttpRequestInfo.from_json(record.http) if record.http is not None else None,
        use=WORKFLOW,
        attempt=record.attempt,
        trigger="queue",
    )
