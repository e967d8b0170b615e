"""The app of a test: its own storage account, its own workspace folder, the real engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from shared.access.principal import Principal
from shared.context import Caller
from shared.discovery import get_workspace
from shared.handlers.services import close_services, get_services
from shared.registry import FunctionRegistry, staging
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.accounts import StorageAccount

ADMIN = Principal(Caller("admin-1", "admin@example.com", "Admin"), is_platform_admin=True)
USER = Principal(Caller("user-1", "one@example.com", "User One"))
OTHER_USER = Principal(Caller("user-2", "two@example.com", "User Two"))

FLOWS = '''
import asyncio
import threading

from shared.context import ExecutionContext
from shared.decorators import data_provider, param, workflow
from shared.errors import UserError


@workflow(name="add", execution_mode="sync")
async def add(context: ExecutionContext, a: int, b: int = 1) -> dict[str, int]:
    """Adds."""
    context.info("adding", a=a)
    return {"sum": a + b}


@workflow(name="add_later")
def add_later(context: ExecutionContext, a: int, b: int = 1) -> dict[str, int]:
    print("adding later")
    context.report_progress(0.5, "half")
    return {"sum": a + b}


@workflow(name="fails", execution_mode="sync")
def fails(secret: str = "hidden"):
    raise ValueError("because")


@workflow(name="refuses", execution_mode="async")
def refuses():
    raise UserError("Not today")


@workflow(name="slow", execution_mode="sync", timeout_seconds=1)
async def slow():
    await asyncio.sleep(30)


@workflow(name="patient", execution_mode="sync", timeout_seconds=60)
async def patient(context: ExecutionContext, seconds: float = 30):
    context.report_progress(0.25, "waiting")
    await asyncio.sleep(seconds)
    return "waited"


@workflow(name="patient_later", timeout_seconds=60)
async def patient_later(context: ExecutionContext, seconds: float = 30):
    return await patient(context, seconds)


@workflow(name="flaky", retry_policy={"max_attempts": 3, "backoff_seconds": 0})
def flaky(context: ExecutionContext, succeeds_at: int):
    print(f"attempt {context.attempt}")
    if context.attempt < succeeds_at:
        raise RuntimeError(f"attempt {context.attempt} failed")
    return context.execution_id


@workflow(name="stubborn", retry_policy={"max_attempts": 3, "backoff_seconds": 0})
def stubborn():
    raise UserError("Never")


@data_provider(name="options")
def options():
    return ["a"]


def typed(function):
    """Declares a parameter of every type and rule."""
    for decorate in (
        param("needed", type="string", required=True),
        param("text", type="string", validation={"min_length": 2, "max_length": 4, "pattern": "^[a-z]+$"}),
        param("number", type="int", validation={"min": 1, "max": 9}),
        param("ratio", type="float", validation={"max": 1}),
        param("flag", type="bool"),
        param("data", type="json"),
        param("items", type="list", validation={"max_length": 2}),
        param("mail", type="email"),
        param("choice", type="string", validation={"enum": ["first", "second"]}),
    ):
        decorate(function)
    return function


@workflow(name="typed", execution_mode="sync", endpoint_enabled=True)
@typed
def typed_now(context, needed, text, number, ratio, flag, data, items, mail, choice):
    return needed


@workflow(name="typed_later")
@typed
def typed_later(context, needed, text, number, ratio, flag, data, items, mail, choice):
    return needed


@data_provider(name="typed_options")
@typed
def typed_options(context, needed, text, number, ratio, flag, data, items, mail, choice):
    return [needed]
'''


async def end_background() -> None:
    """Ends what the platform does in the background, while its connections can still be closed."""
    tasks = [task for task in asyncio.all_tasks() if "/shared/" in task.get_coro().cr_code.co_filename]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def app(
    storage_account: StorageAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Storage]]:
    """Settings of the process for this test; gives the storage that the app uses."""
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "flows_of_the_test.py").write_text(FLOWS)
    monkeypatch.setenv("AzureWebJobsStorage", storage_account.connection_string)
    monkeypatch.setenv("WORKSPACE_PATH", str(folder))
    monkeypatch.delenv("HOME_PATH", raising=False)
    path = list(sys.path)
    get_settings.cache_clear()
    get_workspace.cache_clear()
    await close_services()
    with staging(FunctionRegistry()):
        yield lambda: get_services().storage
    await end_background()
    await close_services()
    get_settings.cache_clear()
    get_workspace.cache_clear()
    sys.path[:] = path
    sys.modules.pop("flows_of_the_test", None)
