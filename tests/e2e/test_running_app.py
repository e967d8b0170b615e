"""The app as a process: storage that goes and comes back, files that change, workers that are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dev.azurite import Azurite
from tests.support.accounts import StorageAccount
from tests.support.hosted import Client, hosted_app

FLOW = """
from shared.decorators import workflow

@workflow(name="flow", execution_mode="sync")
def flow():
    return {value!r}
"""


async def run_flow(client: Client):  # type: ignore[no-untyped-def]
    return await client.post("/workflows/execute", {"workflowName": "hello", "inputData": {"name": "Ada"}})


async def test_without_storage_runs_are_refused_and_with_it_they_work_again(tmp_path: Path):
    azurite = Azurite(tmp_path)
    azurite.start()
    try:
        async with hosted_app(azurite.connection_string) as hosted:
            assert (await run_flow(hosted.client)).status == 200
            await asyncio.to_thread(azurite.stop)
            refused = await run_flow(hosted.client)
            assert (refused.status, refused.body["error"]) == (503, "ServiceUnavailable")
            assert int(refused.headers["Retry-After"]) >= 1
            health = await hosted.client.get("/health")
            assert (health.status, health.body["details"]["checks"]["storage"]) == (503, "unhealthy")
            listed = await hosted.client.get("/executions")
            assert listed.status == 503
            await asyncio.to_thread(azurite.start)
            assert (await run_flow(hosted.client)).status == 200
            assert (await hosted.client.get("/health")).body["status"] == "healthy"
    finally:
        azurite.stop()


async def test_a_changed_file_is_used_at_the_next_call(storage_account: StorageAccount, tmp_path: Path):
    flow = tmp_path / "flow_that_changes.py"
    flow.write_text(FLOW.format(value="old"))
    settings = {"WORKSPACE_PATH": str(tmp_path), "WORKSPACE_RELOAD": "true"}
    async with hosted_app(storage_account.connection_string, **settings) as hosted:
        post = hosted.client.post
        assert (await post("/workflows/flow/execute")).body["result"] == "old"
        flow.write_text(FLOW.format(value="new"))
        assert (await post("/workflows/flow/execute")).body["result"] == "new"
        flow.write_text("1 / 0")
        assert (await post("/workflows/flow/execute")).body["result"] == "new"
        health = (await hosted.client.get("/health")).body
        assert health["status"] == "degraded"
        (error,) = health["details"]["loadErrors"]
        assert (error["file"], error["line"]) == ("flow_that_changes.py", 1)
        assert "ZeroDivisionError" in error["reason"]


BLOCKING = """
import time
from shared.decorators import workflow

@workflow(name="sleeps", execution_mode="sync")
async def sleeps():
    time.sleep(5)

@workflow(name="spins", execution_mode="sync")
def spins():
    until = time.monotonic() + 2
    while time.monotonic() < until:
        pass

"""
QUICK = """
from shared.decorators import workflow

@workflow(name="quick", execution_mode="sync")
async def quick():
    return "quick"
"""


async def test_blocking_user_code_holds_up_neither_health_checks_nor_runs_of_other_files(
    storage_account: StorageAccount, tmp_path: Path
):
    (tmp_path / "blocking_flows.py").write_text(BLOCKING)
    (tmp_path / "quick_flows.py").write_text(QUICK)
    async with hosted_app(storage_account.connection_string, WORKSPACE_PATH=str(tmp_path)) as hosted:
        loop = asyncio.get_running_loop()

        async def health_seconds() -> float:
            started = loop.time()
            assert (await hosted.client.get("/health")).status == 200
            return loop.time() - started

        async def fastest_of(count: int) -> float:
            return min([await health_seconds() for _ in range(count)])

        usual = await fastest_of(10)
        for name in ("sleeps", "spins"):
            blocking = asyncio.create_task(hosted.client.post(f"/workflows/{name}/execute"))
            while (await hosted.client.get("/health")).body["details"]["runs"]["tasks"] == 0 and name == "sleeps":
                await asyncio.sleep(0.01)
            # The fastest of a few, since the machine may be busy with other things.
            assert await fastest_of(10) - usual < 0.1
            assert (await hosted.client.post("/workflows/quick/execute")).body["result"] == "quick"
            assert not blocking.done()
            assert (await blocking).body["status"] == "Success"


async def test_an_app_with_impossible_settings_does_not_start(storage_account: StorageAccount):
    settings = {"AUTH_MODE": "development", "WEBSITE_INSTANCE_ID": "0123"}
    async with hosted_app(storage_account.connection_string, **settings) as hosted:
        async with asyncio.timeout(10):
            while not any("AUTH_MODE=development" in line for line in hosted.log):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("setting", ["off", "false"])
async def test_inline_code_can_be_switched_off(storage_account: StorageAccount, setting: str):
    async with hosted_app(storage_account.connection_string, INLINE_CODE=setting) as hosted:
        answer = await hosted.client.post("/workflows/execute", {"code": "eA=="})
        assert (answer.status, answer.body["error"]) == (403, "Forbidden")
