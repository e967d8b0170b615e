"""What ends a worker or the host, and what comes after."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.local_host.conftest import APPS, DEADLINE, SampleMaker
from tests.support.hosted import ROOT


async def until_gone(process_id: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                os.kill(process_id, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.01)


async def test_a_killed_worker_fails_its_requests_and_the_next_one_is_served(sample: SampleMaker) -> None:
    async with sample("http") as http:
        first = int(await http.text("process"))
        under_way = asyncio.create_task(http.status("GET", "/api/sleep/60"))
        await http.until_logged("asleep")
        os.kill(first, signal.SIGKILL)
        assert await under_way == 500
        second = int(await http.text("process"))
        assert second != first
        os.kill(second, signal.SIGKILL)
        await http.until_logged("The worker ended with code -9 and is started again in 0.5 s")
        assert int(await http.text("process")) not in (first, second)


async def test_function_timeout_kills_the_worker_with_everything_in_it(sample: SampleMaker) -> None:
    async with sample("http", AzureFunctionsJobHost__functionTimeout="00:00:01") as http:
        worker = int(await http.text("process"))
        begun = asyncio.get_running_loop().time()
        assert await asyncio.gather(http.status("GET", "/api/block"), http.status("GET", "/api/sleep/60")) == [500, 500]
        assert asyncio.get_running_loop().time() - begun < 5
        assert int(await http.text("process")) != worker
        assert "ran longer than functionTimeout, 1 s" in http.log


async def test_sigterm_lets_what_is_under_way_come_to_its_end(sample: SampleMaker) -> None:
    async with sample("http") as http:
        worker = int(await http.text("process"))
        under_way = asyncio.create_task(http.text("sleep/0.5"))
        await http.until_logged("asleep")
        http.hosted.process.send_signal(signal.SIGTERM)
        assert await under_way == "slept"
        assert await http.hosted.process.wait() == 0
        await until_gone(worker)
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.status("GET", "/")


async def test_a_killed_host_leaves_no_worker_behind_even_a_blocked_one(sample: SampleMaker) -> None:
    async with sample("http") as http:
        worker = int(await http.text("process"))
        blocked = asyncio.create_task(http.text("block"))
        await http.until_logged("blocked")
        http.hosted.process.kill()
        with pytest.raises(aiohttp.ClientConnectionError):
            await blocked
        await until_gone(worker)


async def test_an_app_that_can_not_be_imported_answers_503_and_the_log_says_why(sample: SampleMaker) -> None:
    async with sample("broken") as broken:
        async with broken.session.get(f"{broken.url}/api/anything") as answer:
            assert (answer.status, await answer.text()) == (503, "Function host is not running.")
        assert "No module named 'no_such_module_anywhere'" in broken.log
        assert "apps/broken/function_app.py" in broken.log
        async with broken.session.get(f"{broken.url}/admin/host/status") as answer:
            assert (await answer.json())["state"] == "Error"


async def refused_start(app_dir: Path, port: str = "0", **settings: str) -> str:
    """What the host says when it refuses to start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dev.host", "--app", str(app_dir), "--port", port),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    return errors.decode()


async def test_a_taken_port_is_one_clear_line(sample: SampleMaker) -> None:
    async with sample("broken") as running:
        port = running.url.rpartition(":")[2]
        assert await refused_start(APPS / "broken", port) == f"Port {port} is taken: choose another with --port\n"


async def test_a_folder_that_is_no_app_and_a_wrong_identity_are_one_clear_line(tmp_path: Path) -> None:
    assert await refused_start(tmp_path) == f"There is no function_app.py in {tmp_path}\n"
    said = await refused_start(APPS / "http", LOCAL_HOST_PRINCIPAL="[]")
    assert said == "LOCAL_HOST_PRINCIPAL must be a JSON object of claims: it is no JSON object\n"
