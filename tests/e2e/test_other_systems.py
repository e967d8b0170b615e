"""The author's commands use nothing that Windows or macOS lack, as far as Linux can tell: where fcntl, resource, pwd,
os.fork and /proc are absent, all of them do their work.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from dev.setup import PROJECT
from tests.support.accounts import StorageAccount
from tests.support.hosted import ROOT

OTHER_SYSTEM = ROOT / "tests" / "support" / "other_system"
READY_SECONDS = 60
# An author waits three seconds at most, in which two processes work side by side. The time that they compute does not
# depend on what else the machine does.
COMPUTED_SECONDS = 6.0


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(OTHER_SYSTEM), "WORKSPACE_PATH": str(tmp_path / "flows")}


def dev(environ: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "dev", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_of_linux_is_left(environ: dict[str, str]):
    script = "import os, sys; print(hasattr(os, 'fork')); open('/proc/version')"
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n"
    assert "There is no /proc/version on this system" in done.stderr


async def test_new_check_run_and_start_work_there(environ: dict[str, str], storage_account: StorageAccount):
    flows = Path(environ["WORKSPACE_PATH"])
    await asyncio.to_thread(dev, environ, "new", "parcel")
    for name in ("letter", "card", "packet", "crate"):
        for file in ("parcel.py", "_tests/test_parcel.py"):
            text = (flows / file).read_text(encoding="utf-8").replace("parcel", name)
            (flows / file.replace("parcel", name)).write_text(text, encoding="utf-8")
    before = os.times()
    checked = await asyncio.to_thread(dev, environ, "check")
    after = os.times()
    assert checked.startswith("5 workflows and 0 data providers loaded\n")
    assert "10 passed" in checked
    computed = after.children_user + after.children_system - before.children_user - before.children_system
    assert computed < COMPUTED_SECONDS
    assert '"Hello, Ada!"' in await asyncio.to_thread(dev, environ, "run", "parcel", "name=Ada")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ["AzureWebJobsStorage"] = storage_account.connection_string
    await started(environ, port)


async def started(environ: dict[str, str], port: int) -> None:
    start = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dev", "start", "--port", str(port)),
        cwd=PROJECT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert start.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not (said and said[-1].startswith("  curl ")):
                line = (await start.stdout.readline()).decode()
                assert line, "".join(said)
                said.append(line)
        page = next(line.split()[0] for line in said if "links to its pages" in line)
        async with aiohttp.ClientSession() as session, session.get(page) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            text = await answer.text()
        assert 'href="/api/docs"' in text
        body = {"workflowName": "parcel", "inputData": {"name": "Ada"}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{page}api/workflows/execute", json=body) as answer,
        ):
            assert (await answer.json())["status"] == "Success"
        async with asyncio.timeout(READY_SECONDS):
            while "parcel Success in " not in (line := (await start.stdout.readline()).decode()):
                assert line, "the run that ended is no line of the console"
    finally:
        start.send_signal(signal.SIGTERM)
        rest = await start.stdout.read()
        await start.wait()
    assert start.returncode == 0, rest.decode()
