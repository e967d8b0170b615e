"""Each execution that ends is one line of the app's log, whoever ended it: what an alert can be set on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.executions import new_record

App = Callable[[], Storage]
LOGGER = "shared.repositories.executions.ended"


async def run(workflow: str, **parameters: Any) -> str:
    request = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    return (await execute_workflow_handler(request, ADMIN)).answer.execution_id


async def deliver(execution_id: str, attempt: int = 1) -> None:
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": attempt}))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """The lines of ended executions so far."""
    caplog.set_level(logging.INFO, LOGGER)
    return lambda: [record for record in caplog.records if record.getMessage().startswith("Execution ended: ")]


async def test_a_run_that_somebody_waited_for(app: App, lines: Callable[[], list[logging.LogRecord]]):
    execution_id = await run("add", a=1)
    (line,) = lines()
    told = vars(line)
    assert told["duration_ms"] == (await get_execution(execution_id, ADMIN)).duration_ms
    expected = {
        "execution_id": execution_id,
        "workflow": "add",
        "scope": "GLOBAL",
        "status": "Success",
        "attempt": 1,
        "error_type": None,
        "levelname": "INFO",
    }
    assert {name: told[name] for name in expected} == expected
    assert line.getMessage() == (
        f"Execution ended: status=Success error_type= duration_ms={told['duration_ms']} attempt=1 scope=GLOBAL "
        f"execution_id={execution_id} workflow=add"
    )


async def test_a_failed_run_is_a_warning_without_what_its_message_may_hold(
    app: App, lines: Callable[[], list[logging.LogRecord]], caplog: pytest.LogCaptureFixture
):
    await run("fails")
    (line,) = lines()
    assert (line.levelname, vars(line)["status"], vars(line)["error_type"]) == ("WARNING", "Failed", "ValueError")
    assert "because" not in caplog.text
    # As an exporter of the record's fields would show them.
    assert "because" not in str(vars(line))
    assert vars(line)["error_text"].text == "because"


async def test_a_queued_run_is_one_line_at_its_last_attempt(
    app: App, lines: Callable[[], list[logging.LogRecord]], caplog: pytest.LogCaptureFixture
):
    execution_id = await run("flaky", succeeds_at=9)
    for attempt in (1, 2):
        await deliver(execution_id, attempt)
        assert lines() == []
        assert f"error_type=RuntimeError attempt={attempt} " in caplog.text
    await deliver(execution_id, 3)
    await deliver(execution_id, 3)
    (line,) = lines()
    assert (line.levelname, vars(line)["status"], vars(line)["attempt"]) == ("WARNING", "Failed", 3)


async def test_runs_that_were_lost_poisoned_or_cancelled_before_they_began(
    app: App, lines: Callable[[], list[logging.LogRecord]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shared.executions.recovery.CONFIRM_SECONDS", 0)
    services = get_services()
    began = datetime.now(UTC) - timedelta(minutes=2)
    lost = new_record(at=began, scope="GLOBAL", workflow_name="add", lease_until=began + timedelta(seconds=30))
    await services.executions.create(lost)
    await services.recovery.recover()
    poisoned = await run("add_later", a=1)
    await services.executor.end_poisoned(json.dumps({"execution_id": poisoned, "attempt": 1}))
    cancelled = await run("add_later", a=1)
    record = await services.executions.get("GLOBAL", cancelled)
    assert record is not None
    await services.executor.cancel(record)
    told = [
        tuple(vars(line)[name] for name in ("execution_id", "status", "error_type", "levelname")) for line in lines()
    ]
    assert told == [
        (lost.execution_id, "Failed", "WorkerLost", "WARNING"),
        (poisoned, "Failed", "PoisonMessage", "WARNING"),
        (cancelled, "Cancelled", "Cancelled", "INFO"),
    ]


async def test_a_transient_run_has_its_line_though_nothing_is_recorded_of_it(
    app: App, lines: Callable[[], list[logging.LogRecord]]
):
    request = ExecuteRequest(workflow_name="fails", transient=True)
    await execute_workflow_handler(request, ADMIN)
    (line,) = lines()
    assert (vars(line)["workflow"], vars(line)["status"], line.levelname) == ("fails", "Failed", "WARNING")
