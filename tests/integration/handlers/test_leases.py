"""A running execution keeps its lease, shows its progress, hears that its end was asked for, and ends once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import ConflictError, ForbiddenError, NotFoundError, StorageUnavailableError
from shared.executions import lease as leases
from shared.handlers.executions_handlers import cancel_execution, get_execution, list_executions, rerun_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import (
    ExecuteRequest,
    ExecutionAccepted,
    ExecutionDetail,
    ExecutionListQuery,
    ExecutionResponse,
    ExecutionStatus,
)
from shared.repositories.executions.store import ExecutionStore
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN, OTHER_USER, USER
from tests.support.executions import success

App = Callable[[], Storage]
NOW = datetime.now(UTC)


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed every tenth of a second and not every four seconds."""
    monkeypatch.setattr(leases, "RENEW_EVERY_SECONDS", 0.1)


async def enqueued(workflow: str = "patient_later", **parameters: Any) -> str:
    request = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    return (await execute_workflow_handler(request, USER)).answer.execution_id


def deliver(execution_id: str) -> asyncio.Task[None]:
    return asyncio.create_task(get_services().executor.run_queued(json.dumps({"execution_id": execution_id})))


async def found(execution_id: str) -> ExecutionDetail:
    return await get_execution(execution_id, ADMIN)


async def until(execution_id: str, reached: Callable[[ExecutionDetail], object]) -> ExecutionDetail:
    async with asyncio.timeout(10):
        while not reached(execution := await found(execution_id)):
            await asyncio.sleep(0.02)
    return execution


async def test_progress_is_shown_while_the_run_goes_on_and_the_lease_is_renewed(app: App, quick_leases: None):
    execution_id = await enqueued(seconds=1)
    running = deliver(execution_id)
    shown = await until(execution_id, lambda execution: execution.progress)
    assert shown.status == "Running"
    assert shown.progress is not None
    assert shown.progress["message"] == "waiting"
    record = await get_services().executions.get("GLOBAL", execution_id)
    assert record is not None
    assert record.lease_until is not None
    assert record.lease_until > datetime.now(UTC) + timedelta(seconds=20)
    await running
    assert (await found(execution_id)).result == "waited"


async def test_a_queued_run_hears_that_its_end_was_asked_for(app: App, quick_leases: None):
    execution_id = await enqueued()
    running = deliver(execution_id)
    await until(execution_id, lambda execution: execution.status == "Running")
    answer = await cancel_execution(execution_id, USER)
    assert (answer.status, answer.message) == ("Cancelling", "patient_later was asked to end")
    assert (await cancel_execution(execution_id, ADMIN)).status == "Cancelling"
    await asyncio.wait_for(running, 10)
    ended = await found(execution_id)
    assert (ended.status, ended.error_type) == ("Cancelled", "Cancelled")
    with pytest.raises(ConflictError, match="it is Cancelled"):
        await cancel_execution(execution_id, ADMIN)


async def test_a_sync_run_hears_it_too_and_answers_its_caller(app: App, quick_leases: None):
    call = asyncio.create_task(execute_workflow_handler(ExecuteRequest(workflow_name="patient"), ADMIN))
    async with asyncio.timeout(10):
        while not (listed := (await list_executions(ExecutionListQuery(), ADMIN)).executions):
            await asyncio.sleep(0.02)
    await cancel_execution(listed[0].execution_id, ADMIN)
    executed = await asyncio.wait_for(call, 10)
    assert isinstance(executed.answer, ExecutionResponse)
    assert (executed.answer.status, executed.recorded) == ("Cancelled", True)


async def test_an_execution_that_waits_is_cancelled_at_once_and_never_runs(app: App):
    execution_id = await enqueued()
    answer = await cancel_execution(execution_id, USER)
    assert (answer.status, answer.message) == ("Cancelled", "patient_later was cancelled")
    await deliver(execution_id)
    ended = await found(execution_id)
    assert (ended.status, ended.started_at, ended.logs) == ("Cancelled", None, [])


async def test_a_run_that_ends_by_itself_after_it_was_asked_to_is_recorded_as_what_it_is(app: App):
    execution_id = await enqueued(seconds=0.3)
    running = deliver(execution_id)
    await until(execution_id, lambda execution: execution.status == "Running")
    await cancel_execution(execution_id, USER)
    await running
    assert (await found(execution_id)).status == "Success"


async def test_a_run_whose_record_was_taken_away_is_stopped_and_its_end_dropped(app: App, quick_leases: None):
    execution_id = await enqueued()
    running = deliver(execution_id)
    await until(execution_id, lambda execution: execution.status == "Running")
    repository = get_services().executions
    record = await repository.get("GLOBAL", execution_id)
    assert record is not None
    end = success(status=ExecutionStatus.FAILED, error_type="WorkerLost")
    async with asyncio.timeout(10):
        while True:
            try:
                await repository.finish(record, end)
            except Exception:
                record = await repository.get("GLOBAL", execution_id)
                assert record is not None
            else:
                break
    await asyncio.wait_for(running, 10)
    assert (await found(execution_id)).error_type == "WorkerLost"


async def test_a_renewal_that_fails_is_logged_and_tried_again(
    app: App, quick_leases: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    renewals: list[int] = []
    renew = ExecutionStore.renew

    async def sometimes(self: ExecutionStore, *arguments: Any, **fields: Any) -> Any:
        renewals.append(1)
        if len(renewals) == 1:
            raise StorageUnavailableError
        return await renew(self, *arguments, **fields)

    # The record store is real; only one answer of it is lost, which the proxy could not do at this one call.
    monkeypatch.setattr(ExecutionStore, "renew", sometimes)
    execution_id = await enqueued(seconds=1)
    await deliver(execution_id)
    assert len(renewals) >= 3
    assert "can't be renewed" in caplog.text
    assert (await found(execution_id)).result == "waited"


async def test_only_the_owner_and_admins_may_cancel(app: App):
    execution_id = await enqueued()
    with pytest.raises(NotFoundError):
        await cancel_execution(execution_id, OTHER_USER)


async def test_fifty_wishes_at_once_end_one_execution_once(app: App):
    execution_id = await enqueued()
    answers = await asyncio.gather(*(cancel_execution(execution_id, ADMIN) for _ in range(50)), return_exceptions=True)
    accepted = [answer for answer in answers if isinstance(answer, ExecutionAccepted)]
    assert len(accepted) == 1
    assert all(isinstance(answer, (ExecutionAccepted, ConflictError)) for answer in answers)


async def test_a_rerun_is_a_new_execution_with_the_same_input(app: App):
    first = (await execute_workflow_handler(ExecuteRequest(workflow_name="add", input_data={"a": "4"}), USER)).answer
    again = (await rerun_execution(first.execution_id, ADMIN)).answer
    assert isinstance(again, ExecutionResponse)
    assert again.execution_id != first.execution_id
    assert again.result == {"sum": 5}
    record = await found(again.execution_id)
    assert (record.executed_by, record.input_data) == ("admin-1", {"a": "4"})
    later = (await rerun_execution(await enqueued("add_later", a=1), ADMIN)).answer
    assert isinstance(later, ExecutionAccepted)


async def test_a_script_can_be_rerun_while_inline_code_is_allowed(app: App, monkeypatch: pytest.MonkeyPatch):
    request = ExecuteRequest(code="Y29udGV4dC5zZXRfcmVzdWx0KG4gKyAxKQ==", input_data={"n": 1}, script_name="Plus one")
    first = (await execute_workflow_handler(request, ADMIN)).answer
    again = (await rerun_execution(first.execution_id, ADMIN)).answer
    assert isinstance(again, ExecutionResponse)
    assert again.result == 2
    assert (await found(again.execution_id)).workflow_name == "Plus one"
    monkeypatch.setenv("INLINE_CODE", "off")
    get_settings.cache_clear()
    with pytest.raises(ForbiddenError):
        await rerun_execution(first.execution_id, ADMIN)


async def test_a_poison_message_ends_the_execution_that_waits_for_it(app: App):
    execution_id = await enqueued("add_later", a=1)
    message = json.dumps({"execution_id": execution_id})
    await get_services().executor.end_poisoned(json.dumps({"execution_id": execution_id, "attempt": 2}))
    assert (await found(execution_id)).status == "Pending"
    await get_services().executor.end_poisoned(message)
    ended = await found(execution_id)
    assert (ended.status, ended.error_type) == ("Failed", "PoisonMessage")
    await get_services().executor.end_poisoned(message)
    assert await found(execution_id) == ended


async def test_a_poison_message_of_a_run_that_lives_is_dropped(app: App):
    execution_id = await enqueued(seconds=0.3)
    running = deliver(execution_id)
    await until(execution_id, lambda execution: execution.status == "Running")
    await get_services().executor.end_poisoned(json.dumps({"execution_id": execution_id}))
    await running
    assert (await found(execution_id)).status == "Success"


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_nothing_is_renewed_once_a_run_has_ended(app: App, monkeypatch: pytest.MonkeyPatch, is_cancelled: bool):
    # Every renewal takes longer than the time between two, as when storage is slow: the next one is due at once.
    monkeypatch.setattr(leases, "FLUSH_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(leases, "RENEW_EVERY_SECONDS", 0.0)
    executions = get_services().executions
    record = await executions.get("GLOBAL", await enqueued(seconds=0))
    assert record is not None
    lease = leases.Lease(executions, record)
    await lease.__aenter__()
    await asyncio.sleep(0.05)
    release = asyncio.create_task(lease.__aexit__(None, None, None))
    await asyncio.sleep(0)
    if is_cancelled:
        release.cancel()
    await asyncio.wait([release])
    assert [task for task in asyncio.all_tasks() if "Lease" in repr(task.get_coro())] == []
    with count_storage_calls() as calls:
        await asyncio.sleep(0.02)
    assert calls.tables == 0
