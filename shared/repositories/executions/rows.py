"""Executions as table rows: the columns of the record and of its entries in the lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.repositories.executions.keys import id_in
from shared.repositories.executions.record import ExecutionRecord
from shared.storage import Row

SUMMARY_COLUMNS = (
    "RowKey",
    "workflowName",
    "formId",
    "executedBy",
    "executedByName",
    "status",
    "error",
    "errorType",
    "resultType",
    "durationMs",
    "startedAt",
    "completedAt",
    "attempt",
)
# Whole, since the columns of the same names are cut for the lists.
_ORIGIN_FIELDS = (
    "workflow_name",
    "form_id",
    "executed_by",
    "executed_by_name",
    "executed_by_email",
    "is_platform_admin",
    "is_function_key",
    "is_queued",
    "result_token_digest",
)
# What storage adds to a row in an answer, its keys and these texts come to less than 1 KiB.
_SUMMARY_BYTES = {
    "workflowName": 84,
    "formId": 66,
    "executedBy": 66,
    "executedByName": 66,
    "error": 200,
    "errorType": 50,
}


def summary_values(record: ExecutionRecord) -> dict[str, str | int | float | None]:
    """The columns that lists show, at most 1 KiB with everything; longer texts are cut."""
    texts = {
        "workflowName": record.workflow_name,
        "formId": record.form_id,
        "executedBy": record.executed_by,
        "executedByName": record.executed_by_name,
        "error": record.error_message,
        "errorType": record.error_type,
    }
    return {
        **{name: _cut(text, _SUMMARY_BYTES[name]) for name, text in texts.items() if text is not None},
        "status": str(record.status),
        "resultType": record.result_type,
        "durationMs": record.duration_ms,
        "startedAt": _time_text(record.started_at),
        "completedAt": _time_text(record.completed_at),
        "attempt": record.attempt,
        "dueAt": _time_text(record.due_at),
    }


def summary_of(row: Row, scope: str) -> ExecutionSummary:
    """The summary in a row of any list."""
    values = row.values
    return ExecutionSummary(
        execution_id=id_in(row.key),
        workflow_name=values["workflowName"],
        org_id=None if scope == GLOBAL_SCOPE else scope,
        form_id=values.get("formId"),
        executed_by=values["executedBy"],
        executed_by_name=values["executedByName"],
        status=ExecutionStatus(values["status"]),
        error=values.get("error"),
        error_type=values.get("errorType"),
        result_type=values.get("resultType"),
        duration_ms=values.get("durationMs"),
        started_at=_time_of(values.get("startedAt")),
        completed_at=_time_of(values.get("completedAt")),
        attempt=values["attempt"],
    )


@dataclass(frozen=True, slots=True)
class UnfinishedExecution:
    """What the list of a state says of an execution in it: its id, and the times as in `ExecutionRecord`."""

    execution_id: str
    started_at: datetime | None
    due_at: datetime | None


UNFINISHED_COLUMNS = ("RowKey", "startedAt", "dueAt")


def unfinished_of(row: Row) -> UnfinishedExecution:
    """What a row of a state's list says."""
    return UnfinishedExecution(
        execution_id=id_in(row.key),
        started_at=_time_of(row.values.get("startedAt")),
        due_at=_time_of(row.values.get("dueAt")),
    )


def record_values(record: ExecutionRecord) -> dict[str, str | int | float | bytes | None]:
    """The columns of the record itself; its payloads as they are in `stored`."""
    return {
        **summary_values(record),
        **record.stored,
        "isScript": record.is_script,
        "isUnsent": record.is_unsent,
        "createdAt": _time_text(record.created_at),
        **changing_values(record),
    }


def changing_values(record: ExecutionRecord) -> dict[str, str | int | None]:
    """The columns of the record that also change while it runs."""
    return {
        "leaseUntil": _time_text(record.lease_until),
        "storageCalls": record.storage_calls,
        "writeToken": record.write_token,
    }


def record_of(row: Row, scope: str, payloads: Mapping[str, Any]) -> ExecutionRecord:
    """The record in its row.

    Args:
        row: the main row, whole.
        scope: the partition it was read from, as the caller names it.
        payloads: decoded, by column.
    """
    values = row.values
    created_at = _time_of(values["createdAt"])
    assert created_at is not None
    return ExecutionRecord(
        execution_id=id_in(row.key),
        scope=scope,
        status=ExecutionStatus(values["status"]),
        created_at=created_at,
        is_script=values["isScript"],
        started_at=_time_of(values.get("startedAt")),
        completed_at=_time_of(values.get("completedAt")),
        result_type=values.get("resultType"),
        duration_ms=values.get("durationMs"),
        attempt=values["attempt"],
        due_at=_time_of(values.get("dueAt")),
        is_unsent=values["isUnsent"],
        lease_until=_time_of(values.get("leaseUntil")),
        storage_calls=values["storageCalls"],
        write_token=values["writeToken"],
        etag=row.etag,
        stored={name: values[name] for name in payloads},
        **payload_fields(payloads),
    )


def payload_values(record: ExecutionRecord) -> dict[str, Any]:
    """What of a record can be large, by column; what is empty is left out."""
    failure = [record.error_message, record.error_type, record.error_details]
    values: dict[str, Any] = {
        "origin": {name: getattr(record, name) for name in _ORIGIN_FIELDS},
        "code": record.code,
        "failure": None if failure == [None, None, None] else failure,
        "input": record.input_data,
        "http": record.http,
        "result": record.result,
        "logs": record.logs or None,
        "variables": record.variables,
        "snapshots": record.state_snapshots or None,
        "integrations": record.integration_calls or None,
        "progress": record.progress,
        "attempts": record.attempts or None,
    }
    return {name: value for name, value in values.items() if value is not None}


PAYLOAD_COLUMNS = (
    "origin",
    "code",
    "failure",
    "input",
    "http",
    "result",
    "logs",
    "variables",
    "snapshots",
    "integrations",
    "progress",
    "attempts",
)


def payload_fields(payloads: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that `payload_values` were made of."""
    error_message, error_type, error_details = payloads.get("failure") or (None, None, None)
    return {
        **payloads["origin"],
        "code": payloads.get("code"),
        "error_message": error_message,
        "error_type": error_type,
        "error_details": error_details,
        "input_data": payloads.get("input"),
        "http": payloads.get("http"),
        "result": payloads.get("result"),
        "logs": payloads.get("logs", ()),
        "variables": payloads.get("variables"),
        "state_snapshots": payloads.get("snapshots", ()),
        "integration_calls": payloads.get("integrations", ()),
        "progress": payloads.get("progress"),
        "attempts": payloads.get("attempts", ()),
    }


def _cut(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, so that it takes no more bytes than the limit inside JSON."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if _json_bytes(text) <= limit:
        return text
    text = text[:limit]
    while _json_bytes(text) > limit - len("…".encode()):
        text = text[:-1]
    return text + "…"


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8"))


def _time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
