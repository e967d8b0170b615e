"""What an author annotates SecretStr is shown masked, wherever a run is read, and runs and reruns as it came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.handlers.executions_handlers import get_execution, get_logs, rerun_execution
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionLogsQuery
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN

App = Callable[[], Storage]

FLOWS = """
from pydantic import BaseModel, SecretStr

from shared.context import ExecutionContext
from shared.decorators import workflow


class Login(BaseModel):
    user: str
    password: SecretStr


@workflow(name="signs_in", execution_mode="sync")
def signs_in(context: ExecutionContext, token: SecretStr, login: Login, pin: SecretStr = SecretStr("0000")):
    print(token.get_secret_value())
    return {"token": token.get_secret_value(), "login": login, "length": len(pin.get_secret_value())}


@workflow(name="signs_in_later", retry_policy={"max_attempts": 2, "backoff_seconds": 0})
def signs_in_later(token: SecretStr):
    raise ValueError("no access with " + token.get_secret_value())
"""
TOKEN, PASSWORD = "tok-987654", "pass-123456"


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "flows" / "secretive_of_the_test.py").write_text(FLOWS)
    yield
    sys.modules.pop("secretive_of_the_test", None)


async def started(name: str, **given: Any) -> str:
    request = ExecuteRequest(workflow_name=name, input_data=given)
    return (await execute_workflow_handler(request, ADMIN)).answer.execution_id


async def test_the_input_of_a_sync_run_is_shown_without_its_secrets():
    login = {"user": "ada", "password": PASSWORD}
    execution_id = await started("signs_in", token=TOKEN, login=login, pin="1234")
    detail = await get_execution(execution_id, ADMIN)
    assert detail.input_data == {"token": "••••", "login": {"user": "ada", "password": "••••"}, "pin": "••••"}
    assert detail.result == {"token": "••••", "login": {"user": "ada", "password": "**********"}, "length": 4}
    logs = await get_logs(execution_id, ExecutionLogsQuery(), ADMIN)
    assert [line["message"] for line in logs.logs] == ["••••"]
    again = (await rerun_execution(execution_id, ADMIN, input_data={"pin": "123456"})).answer
    detail = await get_execution(again.execution_id, ADMIN)
    assert (detail.status, detail.result["length"], detail.input_data and detail.input_data["pin"]) == (
        "Success",
        6,
        "••••",
    )


async def test_a_queued_run_gets_its_secrets_at_each_attempt_and_shows_none(app: App):
    execution_id = await started("signs_in_later", token=TOKEN)
    queued = await get_services().executions.get("GLOBAL", execution_id)
    assert queued is not None
    assert queued.input_data == {"token": "••••"}
    for attempt in (1, 2):
        await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": attempt}))
    detail = await get_execution(execution_id, ADMIN)
    assert (detail.status, detail.attempt, detail.error) == ("Failed", 2, "no access with ••••")
    assert TOKEN not in detail.model_dump_json()
