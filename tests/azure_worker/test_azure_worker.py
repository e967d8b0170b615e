"""The app in Microsoft's own worker: the same functions, and the same answers, as through the local host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from shared.executions.queueing import EXECUTION_QUEUE
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.azure_worker.peer import AzureWorker, NoWorkerError, azure_worker, worker_python
from tests.support.accounts import StorageAccount
from tests.support.calls import app_routes
from tests.support.hosted import hosted_app

pytestmark = pytest.mark.timeout(400)
EXECUTE = ("workflows_execute", "POST", "/api/workflows/execute")


@pytest_asyncio.fixture
async def worker(storage_account: StorageAccount) -> AsyncIterator[AzureWorker]:
    """The app in the worker, on the test's storage account."""
    try:
        await asyncio.to_thread(worker_python)
    except NoWorkerError as error:
        pytest.skip(str(error))
    async with azure_worker(storage_account.connection_string) as running:
        yield running


async def until_ended(worker: AzureWorker, execution_id: str) -> dict[str, Any]:
    url = f"/api/executions/{execution_id}"
    answer = await worker.http("executions_get", "GET", url, params={"executionId": execution_id})
    assert answer["status"] == 200
    return answer["body"]


async def test_it_indexes_every_function_without_a_warning_and_as_the_local_host_serves_it(
    worker: AzureWorker, storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
):
    functions = await worker.functions()
    assert not [line for line in worker.start_log if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    async with hosted_app(storage_account.connection_string) as hosted, aiohttp.ClientSession() as session:
        async with session.get(f"{hosted.client.url}/admin/host/status") as answer:
            status = await answer.json()
        async with session.get(f"{hosted.client.url}/admin/functions") as answer:
            listed = await answer.json()
    assert status["errors"] == []
    here = {name: trigger_of(bindings) for name, bindings in functions.items()}
    there = {function["name"]: trigger_of(function["config"]["bindings"]) for function in listed}
    assert here == there
    assert {"httpTrigger", "queueTrigger", "timerTrigger"} == {trigger["type"] for trigger in here.values()}
    monkeypatch.setenv("AzureWebJobsStorage", storage_account.connection_string)
    get_settings.cache_clear()
    declared = {route.name: (route.path, [route.method]) for route in app_routes().values()}
    assert {
        name: (trigger["route"], trigger["methods"]) for name, trigger in here.items() if name in declared
    } == declared


def trigger_of(bindings: list[dict[str, Any]]) -> dict[str, Any]:
    """What starts a function, without the names that differ by nothing but their case."""
    (trigger,) = (binding for binding in bindings if binding["type"].endswith("Trigger"))
    return {
        name: sorted(map(str.upper, value)) if name == "methods" else value.lower() if name == "authLevel" else value
        for name, value in trigger.items()
    }


async def test_a_sync_call_an_async_one_and_wrong_ones_are_answered_as_through_the_local_host(
    worker: AzureWorker, storage: Storage, storage_account: StorageAccount
):
    calls: list[tuple[int, Any]] = [
        (200, {"workflowName": "hello", "inputData": {"name": "Ada"}}),
        (400, {"workflowName": "hello", "inputData": {"nam": "Ada"}}),
        (404, {"workflowName": "nothing"}),
        (400, {"workflow": "hello"}),
        (400, {}),
    ]
    async with hosted_app(storage_account.connection_string) as hosted:
        for expected, body in calls:
            here = await worker.http(*EXECUTE, body)
            there = await hosted.client.post("/workflows/execute", body)
            assert here["ok"]
            assert here["status"] == there.status == expected
            assert without_what_differs(here["body"]) == without_what_differs(there.body)
            names = ("content-type", "cache-control", "x-content-type-options")
            sent = {name.lower(): value for name, value in here["headers"].items()}
            assert {name: sent[name] for name in names} == {name: there.headers[name] for name in names}


def without_what_differs(body: dict[str, Any]) -> dict[str, Any]:
    differs = {"executionId", "durationMs", "startedAt", "completedAt", "logs"}
    return {name: value for name, value in body.items() if name not in differs}


async def test_a_queued_run_goes_through_it_and_a_message_that_is_none_harms_nothing(
    worker: AzureWorker, storage: Storage
):
    body = {"workflowName": "import_orders", "inputData": {"lines": ["1, 9.50"], "seconds_per_order": 0}}
    accepted = await worker.http(*EXECUTE, body)
    assert accepted["status"] == 202
    execution_id = accepted["body"]["executionId"]
    assert accepted["headers"]["Location"] == f"/api/executions/{execution_id}"
    assert await storage.queue(EXECUTION_QUEUE).length() == 1
    done = await worker.queue("queue_worker", json.dumps({"execution_id": execution_id}))
    assert done["ok"], done
    assert (await until_ended(worker, execution_id))["status"] in ("Success", "CompletedWithErrors")
    garbage = await worker.queue("queue_worker", "no message")
    assert garbage["ok"]
    assert any("names no execution" in line for line in garbage["logs"])


async def test_a_poison_message_ends_its_execution_and_the_timers_run(worker: AzureWorker):
    body = {"workflowName": "import_orders", "inputData": {"lines": ["1"]}}
    execution_id = (await worker.http(*EXECUTE, body))["body"]["executionId"]
    poisoned = await worker.queue("queue_poison", json.dumps({"execution_id": execution_id}), 6)
    assert poisoned["ok"], poisoned
    ended = await until_ended(worker, execution_id)
    assert (ended["status"], ended["errorType"]) == ("Failed", "PoisonMessage")
    for name in ("timer_recovery", "timer_cleanup"):
        assert (await worker.timer(name, past_due=True))["ok"]


async def test_an_unknown_route_and_a_wrong_method_are_answered_by_the_catch_all(worker: AzureWorker):
    unmatched = await worker.http("zz_unmatched", "GET", "/api/workflows/execute", params={"path": "workflows/execute"})
    assert (unmatched["status"], unmatched["body"]["error"]) == (405, "MethodNotAllowed")
    nowhere = await worker.http("zz_unmatched", "GET", "/api/nowhere", params={"path": "nowhere"})
    assert (nowhere["status"], nowhere["body"]["error"]) == (404, "NotFound")
