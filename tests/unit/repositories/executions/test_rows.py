"""Executions as table rows."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.models.executions import ExecutionStatus
from shared.repositories.executions.keys import list_key, workflow_list
from shared.repositories.executions.rows import payload_values, record_of, record_values, summary_of, summary_values
from shared.storage import Row
from tests.support.executions import new_record, success

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=2000)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_a_list_entry_is_small_and_sound_whatever_the_texts(
    name: str, user: str, user_name: str, form: str, error: str
) -> None:
    end = success(
        status=ExecutionStatus.COMPLETED_WITH_ERRORS, error_message=error, error_type=error, duration_ms=0.1 + 0.2
    )
    record = new_record(workflow_name=name, executed_by=user, executed_by_name=user_name, form_id=form).ended(end, "t")
    values = {column: value for column, value in summary_values(record).items() if value is not None}
    key = list_key(workflow_list(name), record.execution_id)
    etag = "W/\"datetime'2026-11-23T14%3A42%3A59.0629547Z'\""
    answer = json.dumps({"odata.etag": etag, "RowKey": key, **values}, ensure_ascii=False, separators=(",", ":"))
    assert len(answer.encode()) <= 1024
    summary = summary_of(Row(key, values, etag), record.scope)
    assert (summary.execution_id, summary.status) == (record.execution_id, record.status)


@given(ANY_TEXT)
def test_a_short_text_is_shown_as_it_is_and_a_long_one_is_cut_visibly(text: str) -> None:
    shown = summary_values(new_record(executed_by_name=text))["executedByName"]
    assert isinstance(shown, str)
    assert shown == text.encode("utf-8", "replace").decode() or shown.endswith("…")


def test_what_can_be_large_comes_back_field_by_field() -> None:
    running = new_record(form_id="form")
    end = success(
        execution_id=running.execution_id,
        progress={"fraction": 0.5},
        error_message="no",
        error_type="ValueError",
        error_details={"line": 3},
        logs=[{"message": "hi"}],
        variables={"x": 1},
        state_snapshots=[{"name": "one"}],
        integration_calls=[{"method": "GET"}],
    )
    record = running.ended(end, "t")
    payloads = json.loads(json.dumps(payload_values(record)))
    columns = record_values(replace(record, stored=dict.fromkeys(payloads, b"")), summary_values(record))
    values = {name: value for name, value in columns.items() if value is not None}
    assert record_of(Row(record.keys.main, values, "etag"), record.scope, record.keys.partition, payloads) == record
