"""Execution records for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.executions.executor import Executor
from shared.executions.queueing import ExecutionQueue
from shared.handlers.services import Services
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.repositories.executions.keys import RecordKeys, tail_of
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.rows import payload_values, record_values, summary_values
from shared.repositories.executions.store import TABLE
from shared.repositories.ids import IdGenerator, new_execution_id
from shared.repositories.payloads import PayloadStore
from shared.storage import Insert, Queue, Storage
from shared.storage.keys import key_text

SCOPE = "0f4c1d6e-1111-4222-8333-444455556666"


def new_record(*, at: datetime | None = None, **fields: Any) -> ExecutionRecord:
    """A new Running record of the workflow `greet`, made now or at the given moment; any field can be given."""
    moment = at or datetime.now(UTC)
    given = {
        "execution_id": IdGenerator().new(moment) if at else new_execution_id(moment),
        "scope": SCOPE,
        "workflow_name": "greet",
        "executed_by": "user-1",
        "executed_by_name": "User One",
        "executed_by_email": "one@example.com",
        "status": ExecutionStatus.RUNNING,
        "created_at": moment,
        "started_at": moment,
        "input_data": {"name": "Ann"},
        **fields,
    }
    origin = tail_of(given["execution_id"]), given["workflow_name"], given["executed_by"]
    return ExecutionRecord(**given, keys=RecordKeys.of(key_text(given["scope"]), *origin))


def success(**fields: Any) -> ExecutionResult:
    """A successful end, now; any field can be given."""
    given = {
        "execution_id": "ended",
        "status": ExecutionStatus.SUCCESS,
        "completed_at": datetime.now(UTC),
        "duration_ms": 12.5,
        "result": {"greeting": "Hello"},
        "result_type": "json",
        **fields,
    }
    return ExecutionResult(**given)


def history(count: int, *, until: datetime, **fields: Any) -> list[ExecutionRecord]:
    """Ended records, one a second, the newest at the given moment; five workflows and three users take turns."""
    start = until - timedelta(seconds=count - 1)
    return [
        new_record(
            **{
                "at": start + timedelta(seconds=number),
                "workflow_name": f"workflow_{number % 5}",
                "executed_by": f"user-{number % 3}",
                "status": ExecutionStatus.FAILED if number % 7 == 0 else ExecutionStatus.SUCCESS,
                **fields,
            }
        )
        for number in range(count)
    ]


async def insert_directly(storage: Storage, records: list[ExecutionRecord]) -> None:
    """Stores records of one scope in transactions as large as there can be, past the repository."""
    table = storage.table(TABLE)
    rows = await rows_of(storage, records)
    for first in range(0, len(rows), 100):
        await table.transaction(key_text(records[0].scope), rows[first : first + 100])


async def rows_of(storage: Storage, records: list[ExecutionRecord]) -> list[Insert]:
    """The rows that records with small payloads are stored as."""
    payloads = PayloadStore(storage.blobs("executions"))
    rows: list[Insert] = []
    for record in records:
        whole = replace(record, stored=await payloads.put(payload_values(record), "unused"))
        summary = summary_values(record)
        rows.append(Insert(record.keys.main, record_values(whole, summary)))
        rows += [Insert(key, summary) for key in record.keys.listed(record.status, is_unsent=record.is_unsent)]
    return rows


def executor_with(storage: Storage, queue: Queue) -> Executor:
    """The executor of a process on this storage that has another queue than the storage's own."""
    services = Services(storage)
    services.queue = ExecutionQueue(services.executions, queue)
    return services.executor
