"""While a file of the workspace is broken: what is missing says so to those who may know, and queued runs wait."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.discovery import ensure_loaded, get_workspace
from shared.errors import ServiceUnavailableError
from shared.executions.queueing import EXECUTION_QUEUE
from shared.executions.recovery import Recovered
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionStatus
from shared.registry import LoadError, get_registry
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN, FLOWS, USER
from tests.support.calls import call
from tests.support.executions import new_record

App = Callable[[], Storage]
FILE = "flows_of_the_test.py"
BROKEN = "x = 1\ndef broken(:\n"
MISSING = "There is no workflow named 'late'; did you mean 'add_later'? A file of the workspace could not be loaded"
LATE = """
from shared.decorators import workflow

@workflow(name="late", retry_policy={"max_attempts": 2, "backoff_seconds": 0})
def late():
    return "done"
"""


class Flows:
    """The workspace folder of the app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writes = 0

    def write(self, name: str, text: str) -> None:
        self._writes += 1
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, (self._writes, self._writes))

    def start_again(self) -> None:
        """As in a process that begins now."""
        get_workspace.cache_clear()
        get_registry().clear_all()


@pytest.fixture
def flows(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flows]:
    monkeypatch.setenv("WORKSPACE_RELOAD", "true")
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield Flows(tmp_path / "flows")
    sys.modules.pop("late_of_the_test", None)


async def enqueued() -> str:
    return (await execute_workflow_handler(ExecuteRequest(workflow_name="late"), USER)).answer.execution_id


async def deliver(execution_id: str, attempt: int = 1) -> None:
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": attempt}))


async def test_a_missing_workflow_names_the_broken_files_to_administrators(flows: Flows):
    flows.write("late_of_the_test.py", BROKEN)
    answer = await call("workflows_execute", body={"workflowName": "late"})
    assert (answer.status, answer.body["error"]) == (404, "NotFound")
    message = answer.body["message"]
    assert message.startswith(
        "There is no workflow named 'late'; did you mean 'add_later'? A file of the workspace could not be loaded: "
    )
    assert "late_of_the_test.py, line 2: SyntaxError" in message
    (error,) = answer.body["details"]["loadErrors"]
    assert (error["file"], error["line"]) == ("late_of_the_test.py", 2)
    assert str(flows.folder) not in json.dumps(answer.body)
    health = await call("health_get")
    assert health.body["details"]["loadErrors"] == [error]


async def test_others_learn_only_that_a_file_could_not_be_loaded(flows: Flows):
    flows.write("late_of_the_test.py", BROKEN)
    as_user = {"x-dev-principal": '{"user_id": "u2", "roles": []}'}
    answer = await call("data_providers_get_options", {"providerName": "late"}, headers=as_user)
    assert answer.status == 404
    assert answer.body["message"] == (
        "There is no data provider named 'late'. A file of the workspace could not be loaded"
    )
    assert answer.body["details"] is None


async def test_a_name_that_is_nearly_right_gets_a_proposal(flows: Flows):
    answer = await call("workflows_execute", body={"workflowName": "Add"})
    assert (answer.status, answer.body["details"]) == (404, None)
    assert answer.body["message"] == "There is no workflow named 'Add'; did you mean 'add'?"


async def test_a_workflow_whose_file_breaks_goes_on_serving_in_this_process(flows: Flows):
    flows.write(FILE, FLOWS)
    assert (await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 1}})).status == 200
    flows.write(FILE, BROKEN)
    answer = await call("workflows_execute", body={"workflowName": "add", "inputData": {"a": 1}})
    assert (answer.status, answer.body["result"]) == (200, {"sum": 2})
    assert [error.file for error in get_registry().load_errors] == [FILE]


async def test_a_queued_run_whose_file_is_broken_waits_until_it_is_mended(
    flows: Flows, caplog: pytest.LogCaptureFixture
):
    flows.write("late_of_the_test.py", LATE)
    execution_id = await enqueued()
    flows.write("late_of_the_test.py", BROKEN)
    flows.start_again()
    sent = await get_services().storage.queue(EXECUTION_QUEUE).length()
    await deliver(execution_id)
    waiting = await get_services().executions.get("GLOBAL", execution_id)
    assert waiting is not None
    assert waiting.status is ExecutionStatus.PENDING
    assert waiting.due_at is not None
    assert waiting.due_at > datetime.now(UTC) + timedelta(seconds=3)
    assert await get_services().storage.queue(EXECUTION_QUEUE).length() == sent + 1
    assert f"Execution {execution_id} waits for its workflow 'late'" in caplog.text
    # Neither does recovery take it for forgotten.
    assert await get_services().recovery.recover() == Recovered()
    flows.write("late_of_the_test.py", LATE)
    await deliver(execution_id)
    record = await get_execution(execution_id, ADMIN)
    assert (record.status, record.result) == ("Success", "done")


async def test_messages_that_come_twice_leave_one_waiting(flows: Flows):
    flows.write("late_of_the_test.py", LATE)
    execution_id = await enqueued()
    flows.write("late_of_the_test.py", BROKEN)
    flows.start_again()
    sent = await get_services().storage.queue(EXECUTION_QUEUE).length()
    record = await get_services().executions.get("GLOBAL", execution_id)
    assert record is not None
    await ensure_loaded()
    executor = get_services().executor
    # Both have read the record before either has written.
    assert [await executor._waits_for_file(record) for _ in range(2)] == [True, True]
    assert await get_services().storage.queue(EXECUTION_QUEUE).length() == sent + 1


async def test_a_queued_run_does_not_wait_for_ever(flows: Flows):
    flows.write("late_of_the_test.py", BROKEN)
    record = new_record(
        at=datetime.now(UTC) - timedelta(hours=25),
        scope="GLOBAL",
        workflow_name="late",
        is_queued=True,
        status=ExecutionStatus.PENDING,
        started_at=None,
    )
    record = await get_services().executions.create(record)
    await deliver(record.execution_id)
    ended = await get_execution(record.execution_id, ADMIN)
    assert (ended.status, ended.error_type) == ("Failed", "NotFound")
    assert ended.error == MISSING


async def test_a_lost_run_keeps_its_retries_while_its_file_is_broken(flows: Flows, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shared.executions.recovery.CONFIRM_SECONDS", 0)
    flows.write("late_of_the_test.py", BROKEN)
    began = datetime.now(UTC) - timedelta(minutes=2)
    lost = new_record(at=began, scope="GLOBAL", workflow_name="late", is_queued=True, input_data={})
    await get_services().executions.create(replace(lost, lease_until=began + timedelta(seconds=30)))
    assert await get_services().recovery.recover() == Recovered()
    flows.write("late_of_the_test.py", LATE)
    assert await get_services().recovery.recover() == Recovered(retried=1)
    await deliver(lost.execution_id, attempt=2)
    assert (await get_execution(lost.execution_id, ADMIN)).status == "Success"


async def test_a_queued_run_waits_while_the_first_load_hangs(flows: Flows, monkeypatch: pytest.MonkeyPatch):
    # In the place of a file that hangs for a minute.
    async def hangs() -> None:
        raise ServiceUnavailableError("The workspace is still being loaded", 10)

    flows.write("late_of_the_test.py", LATE)
    execution_id = await enqueued()
    with monkeypatch.context() as patched:
        patched.setattr("shared.executions.executor.ensure_loaded", hangs)
        patched.setattr(get_registry(), "load_errors", [LoadError("hangs.py", None, "its import has not ended yet")])
        await deliver(execution_id)
    assert (await get_execution(execution_id, ADMIN)).status == "Pending"
    await deliver(execution_id)
    assert (await get_execution(execution_id, ADMIN)).status == "Success"
