"""Executions as table rows: one table of columns says what is stored of a record, where, and what lists show of it.

A field of a record, or of its end, that is to be stored gets its line in `LISTED`, `MAIN` or `PAYLOADS`; nothing else
of this room names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.models.results import ExecutionResult, response_of
from shared.repositories.executions.keys import ALL, RecordKeys, id_in
from shared.repositories.executions.record import ExecutionRecord
from shared.storage import Row

Value = str | int | float | bytes | None


def _as_it_is(value: Any) -> Any:
    return value


def _time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that holds one field.

    Attributes:
        name: of the column.
        field: of the record, or of its end.
        of: whose field.
        write, read: from the field's value to the column's and back; neither sees None.
        max_bytes: how long a text may be as JSON; the field is whole in a payload then.
    """

    name: str
    field: str
    of: Literal["record", "end"] = "record"
    write: Callable[[Any], Any] = _as_it_is
    read: Callable[[Any], Any] = _as_it_is
    max_bytes: int | None = None

    def value_of(self, record: ExecutionRecord) -> Any:
        holder = record if self.of == "record" else record.end
        value = getattr(holder, self.field) if holder is not None else None
        if value is None:
            return None
        return self.write(value) if self.max_bytes is None else _cut(value, self.max_bytes)

    def field_in(self, values: Mapping[str, Any]) -> Any:
        value = values.get(self.name)
        return None if value is None else self.read(value)


def _time(name: str, field: str, of: Literal["record", "end"] = "record") -> _Column:
    return _Column(name, field, of, _time_text, datetime.fromisoformat)


_LONGEST_NAME_BYTES = 84

# What lists show. What storage adds to a row in an answer, its keys and these texts come to less than 1 KiB.
LISTED = (
    _Column("workflowName", "workflow_name", max_bytes=_LONGEST_NAME_BYTES),
    _Column("formId", "form_id", max_bytes=66),
    _Column("executedBy", "executed_by", max_bytes=66),
    _Column("executedByName", "executed_by_name", max_bytes=66),
    _Column("error", "error_message", "end", max_bytes=200),
    _Column("errorType", "error_type", "end", max_bytes=50),
    _Column("status", "status", write=str, read=ExecutionStatus),
    _Column("resultType", "result_type", "end"),
    _Column("durationMs", "duration_ms", "end"),
    _time("startedAt", "started_at"),
    _time("completedAt", "completed_at", "end"),
    _Column("attempt", "attempt"),
    _time("dueAt", "due_at"),
)
# What else the record's own row holds: what changes with each renewal of its lease, and what does not.
RENEWED = (
    _time("leaseUntil", "lease_until"),
    _Column("storageCalls", "storage_calls"),
    _Column("writeToken", "write_token"),
)
MAIN = (
    *RENEWED,
    _Column("isScript", "is_script"),
    _Column("isUnsent", "is_unsent"),
    _time("createdAt", "created_at"),
    # In columns of their own, since an older release refuses a payload that has more than it knows.
    _Column("rerunOf", "rerun_of"),
    _Column("errorStatusCode", "error_status_code", "end"),
)


@dataclass(frozen=True, slots=True)
class _Payload:
    """A column of compressed JSON: of one field, or of several as a list, or as an object by their names.

    Attributes:
        name: of the column.
        of: whose fields.
        fields: their names.
        shape: how they are put together.
        is_optional: whether an empty list is left out like None.
    """

    name: str
    of: Literal["record", "end"]
    fields: tuple[str, ...]
    shape: Literal["value", "list", "object"] = "value"
    is_optional: bool = False

    def value_of(self, record: ExecutionRecord) -> Any:
        holder = record if self.of == "record" else record.end
        values = [getattr(holder, field) for field in self.fields] if holder is not None else []
        if all(value is None or (self.is_optional and not value) for value in values):
            return None
        if self.shape == "value":
            return values[0]
        return values if self.shape == "list" else dict(zip(self.fields, values, strict=True))

    def fields_in(self, value: Any) -> Mapping[str, Any]:
        if self.shape == "object":
            return value
        return dict(zip(self.fields, value if self.shape == "list" else (value,), strict=True))


PAYLOADS = (
    # Whole, since the columns of the same names are cut for the lists.
    _Payload(
        "origin",
        "record",
        (
            "workflow_name",
            "form_id",
            "executed_by",
            "executed_by_name",
            "executed_by_email",
            "is_platform_admin",
            "is_function_key",
            "is_queued",
            "result_token_digest",
        ),
        "object",
    ),
    _Payload("code", "record", ("code",)),
    _Payload("input", "record", ("input_data",)),
    _Payload("hiddenInput", "record", ("hidden_input",)),
    _Payload("http", "record", ("http",)),
    _Payload("files", "record", ("files",)),
    _Payload("progress", "record", ("progress",)),
    _Payload("attempts", "record", ("attempts",), is_optional=True),
    _Payload("failure", "end", ("error_message", "error_type", "error_details"), "list"),
    _Payload("result", "end", ("result",)),
    _Payload("response", "end", ("response_form",)),
    _Payload("variables", "end", ("variables",)),
    _Payload("logs", "end", ("logs",), is_optional=True),
    _Payload("snapshots", "end", ("state_snapshots",), is_optional=True),
    _Payload("integrations", "end", ("integration_calls",), is_optional=True),
)
PAYLOAD_COLUMNS = tuple(payload.name for payload in PAYLOADS)

SUMMARY_COLUMNS = ("RowKey", *(column.name for column in LISTED if column.name != "dueAt"))


def listed_name(workflow_name: str) -> str:
    """A workflow's name as lists hold it: cut, when it is long and not of ASCII."""
    return _cut(workflow_name, _LONGEST_NAME_BYTES)


def summary_values(record: ExecutionRecord) -> dict[str, Value]:
    """The columns that lists show, at most 1 KiB with everything; longer texts are cut."""
    return {column.name: column.value_of(record) for column in LISTED}


def summary_of(row: Row, scope: str) -> ExecutionSummary:
    """The summary in a row of any list."""
    shown = {column.field: column.field_in(row.values) for column in LISTED if column.name in SUMMARY_COLUMNS}
    return ExecutionSummary(
        execution_id=id_in(row.key),
        org_id=None if scope == GLOBAL_SCOPE else scope,
        error=shown.pop("error_message"),
        **shown,
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
    times = {column.field: column.field_in(row.values) for column in LISTED if column.name in UNFINISHED_COLUMNS}
    return UnfinishedExecution(execution_id=id_in(row.key), **times)


def record_values(record: ExecutionRecord, summary: Mapping[str, Value]) -> dict[str, Value]:
    """The columns of the record's own row: its summary, its payloads as they are in `stored`, and what only it has."""
    return {**summary, **record.stored, **{column.name: column.value_of(record) for column in MAIN}}


def renewed_values(record: ExecutionRecord) -> dict[str, Value]:
    """The columns of the record's own row that change with each renewal of its lease."""
    return {
        **{column.name: column.value_of(record) for column in RENEWED},
        "progress": record.stored.get("progress"),
    }


def payload_values(record: ExecutionRecord) -> dict[str, Any]:
    """What of a record can be large, by column; what is empty is left out."""
    values = {payload.name: payload.value_of(record) for payload in PAYLOADS}
    return {name: value for name, value in values.items() if value is not None}


def record_of(row: Row, scope: str, partition: str, payloads: Mapping[str, Any]) -> ExecutionRecord:
    """The record in its row.

    Args:
        row: the main row, whole.
        scope, partition: where it was read from, as the caller and as storage name it.
        payloads: decoded, by column.
    """
    fields: dict[str, dict[str, Any]] = {"record": {}, "end": {}}
    for column in (*LISTED, *MAIN):
        # A text that was cut is whole in a payload.
        if column.max_bytes is None:
            fields[column.of][column.field] = column.field_in(row.values)
    for payload in PAYLOADS:
        if payload.name in payloads:
            fields[payload.of].update(payload.fields_in(payloads[payload.name]))
    found, execution_id = fields["record"], id_in(row.key)
    keys = RecordKeys.of(partition, row.key.removeprefix(ALL), found["workflow_name"], found["executed_by"])
    end = None
    if found["status"].is_end:
        progress, ended = payloads.get("progress"), fields["end"]
        response = response_of(ended.pop("response_form", None), ended.get("result"))
        end = ExecutionResult(
            execution_id=execution_id, status=found["status"], progress=progress, response=response, **ended
        )
    return ExecutionRecord(
        execution_id=execution_id,
        scope=scope,
        keys=keys,
        end=end,
        etag=row.etag,
        stored={name: row.values[name] for name in payloads},
        **found,
    )


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
