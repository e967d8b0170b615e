"""With RECORD_START_GRACE_MS a quick sync run is recorded once, with its end; a longer one as without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from shared.errors import StorageUnavailableError
from shared.handlers.executions_handlers import get_execution, list_executions
from shared.handlers.services import Services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionListQuery, ExecutionSummary
from shared.repositories.executions.store import ExecutionStore
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN
from tests.integration.handlers.test_enqueueing import new_request
from tests.support.proxy import StorageProxy

App = Callable[[], Storage]


@pytest.fixture(autouse=True)
def grace(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RECORD_START_GRACE_MS", "50")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


async def newest_execution() -> ExecutionSummary:
    (newest,) = (await list_executions(ExecutionListQuery(limit=1), ADMIN)).executions
    return newest


async def test_a_quick_run_costs_one_call_and_is_recorded_whole(app: App):
    request = ExecuteRequest(workflow_name="add", input_data={"a": 1})
    await execute_workflow_handler(request, ADMIN)
    with count_storage_calls() as calls:
        executed = await execute_workflow_handler(request, ADMIN)
    assert (calls.tables, calls.total) == (1, 1)
    recorded = await get_execution(executed.answer.execution_id, ADMIN)
    assert (recorded.status, recorded.result, recorded.storage_calls) == ("Success", {"sum": 2}, 1)
    assert recorded.logs


async def test_a_longer_run_is_recorded_while_it_runs(app: App):
    request = ExecuteRequest(workflow_name="patient", input_data={"seconds": 0.5})
    await execute_workflow_handler(ExecuteRequest(workflow_name="add", input_data={"a": 1}), ADMIN)
    with count_storage_calls() as calls:
        running = asyncio.create_task(execute_workflow_handler(request, ADMIN))
        async with asyncio.timeout(5):
            while (newest := await newest_execution()).workflow_name == "add":
                await asyncio.sleep(0.02)
        assert newest.status == "Running"
        executed = await running
    assert calls.total >= 2
    recorded = await get_execution(executed.answer.execution_id, ADMIN)
    assert (recorded.status, recorded.storage_calls) == ("Success", 2)


async def test_with_storage_known_to_be_away_nothing_is_begun(app: App, proxy: StorageProxy, proxied: Storage):
    executor = Services(proxied).executor
    quick = new_request("add")
    assert (await executor.submit(quick)).recorded
    proxy.refuse(lambda _: True)
    unnoticed = new_request("add")
    # The first call can't know; it runs, and its caller is told that it is not recorded yet.
    assert not (await executor.submit(unnoticed)).recorded
    refused = new_request("add")
    with pytest.raises(StorageUnavailableError):
        await executor.submit(refused)
    proxy.refuse(None)
    async with asyncio.timeout(10):
        while await ExecutionStore(proxied).get("GLOBAL", unnoticed.execution_id) is None:
            await asyncio.sleep(0.05)
    assert await ExecutionStore(proxied).get("GLOBAL", refused.execution_id) is None
