"""What a crash has left behind is found, once, and run, tried again or ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.context import Organization
from shared.executions.queueing import EXECUTION_QUEUE
from shared.executions.recovery import Recovered
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import Services, get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionStatus
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.store import CONTAINER, ExecutionStore
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN
from tests.support.executions import new_record

App = Callable[[], Storage]
LONG_AGO = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.executions.recovery.CONFIRM_SECONDS", 0)


def executions() -> ExecutionStore:
    return get_services().executions


async def left_behind(**fields: Any) -> ExecutionRecord:
    """A record as a killed worker leaves it: Running, with a lease that nobody renews."""
    began = datetime.now(UTC) - LONG_AGO
    given = {
        "at": began,
        "scope": "GLOBAL",
        "workflow_name": "flaky",
        "input_data": {"succeeds_at": 1},
        "is_queued": True,
        "lease_until": began + timedelta(seconds=30),
        **fields,
    }
    return await executions().create(new_record(**given))


async def waiting(**fields: Any) -> ExecutionRecord:
    """A record as a crash between record and message leaves it."""
    return await left_behind(**{"status": ExecutionStatus.PENDING, "started_at": None, "lease_until": None, **fields})


async def read(record: ExecutionRecord) -> ExecutionRecord:
    found = await executions().get(record.scope, record.execution_id)
    assert found is not None
    return found


async def sent() -> int:
    return await get_services().storage.queue(EXECUTION_QUEUE).length()


async def test_a_lost_run_is_tried_again_where_its_policy_says_so(app: App):
    record = await left_behind()
    assert await get_services().recovery.recover() == Recovered(retried=1)
    again = await read(record)
    assert (again.status, again.attempt, await sent()) == ("Pending", 2, 1)
    assert [attempt["errorType"] for attempt in again.attempts] == ["WorkerLost"]
    await get_services().executor.run_queued(json.dumps({"execution_id": record.execution_id, "attempt": 2}))
    ended = await get_execution(record.execution_id, ADMIN)
    assert (ended.status, ended.result) == ("Success", record.execution_id)
    assert ended.attempts[0]["details"]["logsIncomplete"] is True


@pytest.mark.parametrize(
    "fields",
    [
        {"workflow_name": "add_later"},
        {"workflow_name": "no_longer_there"},
        {"is_queued": False},
        {"attempt": 3},
        {"status": ExecutionStatus.CANCELLING},
    ],
    ids=["no policy", "workflow gone", "sync", "last attempt", "asked to end"],
)
async def test_any_other_lost_run_ends_as_failed(app: App, fields: dict[str, Any]):
    status = fields.pop("status", ExecutionStatus.RUNNING)
    record = await left_behind(**fields)
    if status is ExecutionStatus.CANCELLING:
        record = await executions().transition(record, replace(record, status=status))
    assert await get_services().recovery.recover() == Recovered(failed=1)
    ended = await read(record)
    assert ended.end is not None
    assert (ended.status, ended.end.error_type, await sent()) == ("Failed", "WorkerLost", 0)
    assert ended.end.error_message == f"The worker that ran {record.workflow_name} was lost"
    assert ended.end.completed_at is not None


async def test_a_run_whose_lease_holds_is_left_alone(app: App):
    record = await left_behind(lease_until=datetime.now(UTC) + timedelta(seconds=1))
    assert await get_services().recovery.recover() == Recovered()
    assert await read(record) == record


async def test_a_run_that_renews_its_lease_after_all_is_not_lost(app: App, monkeypatch: pytest.MonkeyPatch):
    record = await left_behind()
    monkeypatch.setattr("shared.executions.recovery.CONFIRM_SECONDS", 0.3)
    looking = asyncio.create_task(get_services().recovery.recover())
    await asyncio.sleep(0.1)
    renewed = await executions().renew(record, lease_until=datetime.now(UTC) + timedelta(seconds=30))
    assert await looking == Recovered()
    assert await read(record) == renewed


async def test_a_record_whose_message_was_never_sent_is_sent_and_runs(app: App):
    record = await waiting()
    assert await get_services().recovery.recover() == Recovered(sent=1)
    assert await sent() == 1
    assert await get_services().recovery.recover() == Recovered()
    await get_services().executor.run_queued(json.dumps({"execution_id": record.execution_id}))
    assert (await read(record)).status == "Success"


async def test_a_record_that_may_still_be_on_its_way_is_left_alone(app: App):
    await waiting(at=datetime.now(UTC) - timedelta(seconds=20))
    await waiting(due_at=datetime.now(UTC) + timedelta(hours=1))
    await waiting(due_at=datetime.now(UTC) - timedelta(seconds=20))
    assert await get_services().recovery.recover() == Recovered()


async def test_with_a_backlog_nothing_is_sent_twice(app: App):
    for _ in range(3):
        await execute_workflow_handler(ExecuteRequest(workflow_name="add_later", input_data={"a": 1}), ADMIN)
    assert await get_services().recovery.recover() == Recovered()
    assert await sent() == 3


async def test_executions_of_every_scope_are_found(app: App):
    records = [await left_behind(scope=scope) for scope in ("org-1", "org-2", "GLOBAL")]
    records += [await waiting(scope="org-3")]
    # Another process, which has not seen these scopes.
    storage = get_services().storage
    recovery = Services(storage).recovery
    assert await recovery.recover() == Recovered(sent=1, retried=3)
    await get_services().executor.run_queued(json.dumps({"execution_id": records[3].execution_id, "org_id": "org-3"}))
    assert (await read(records[3])).status == "Success"


async def test_the_organization_of_a_lost_run_stays_its_own(app: App):
    record = await left_behind(scope="org-1", workflow_name="add_later")
    await get_services().recovery.recover()
    assert (await read(record)).org_id == Organization("org-1", "One").id
    assert await executions().get("GLOBAL", record.execution_id) is None


async def test_many_instances_at_once_recover_each_execution_once(app: App):
    lost = [await left_behind() for _ in range(10)]
    unsent = [await waiting() for _ in range(10)]
    looks = await asyncio.gather(*(Services(get_services().storage).recovery.recover() for _ in range(8)))
    assert sum(look.retried for look in looks) == len(lost)
    assert sum(look.sent for look in looks) == len(unsent)
    assert await sent() == 20
    assert {(await read(record)).attempt for record in lost} == {2}


async def test_a_look_at_nothing_costs_five_calls_whatever_the_history(app: App):
    await get_services().recovery.recover()
    for _ in range(30):
        record = await left_behind(lease_until=datetime.now(UTC) + timedelta(hours=1))
        end = replace(record, status=ExecutionStatus.SUCCESS, lease_until=None)
        await executions().transition(record, end)
    with count_storage_calls() as calls:
        assert await get_services().recovery.recover() == Recovered()
    # The scopes, the front of the queue, and of GLOBAL: what runs, is to end, waits, and waits unsent.
    assert (calls.tables, calls.queues) == (5, 1)


async def test_a_record_that_can_not_be_read_does_not_keep_the_others_from_being_found(
    app: App, caplog: pytest.LogCaptureFixture
):
    broken = await left_behind(input_data={"noise": [str(number**5) for number in range(60_000)]})
    await get_services().storage.blobs(CONTAINER).delete(str(broken.stored["input"]))
    fine = await left_behind()
    assert await get_services().recovery.recover() == Recovered(retried=1)
    assert (await read(fine)).attempt == 2
    assert f"Execution {broken.execution_id} can't be read" in caplog.text
