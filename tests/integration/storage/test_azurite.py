"""The storage emulator, started and stopped from Python."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev import azurite as module
from dev.azurite import PROJECT, Azurite, AzuriteError
from shared.storage.azure.clients import AzureStorage


async def test_it_answers_once_started_and_keeps_data_and_ports_over_a_restart(tmp_path: Path) -> None:
    with Azurite(tmp_path) as azurite:
        ports = azurite.ports
        storage = AzureStorage(azurite.connection_string)
        await storage.table("Kept").insert("p", "k", {"value": 1})
        await storage.queue("kept").send("hello")
        await storage.blobs("kept").put("name", b"content")
        azurite.stop()
        azurite.start()
        assert azurite.ports == ports
        row = await storage.table("Kept").get("p", "k")
        assert row is not None
        assert row.values == {"value": 1}
        assert await storage.queue("kept").length() == 1
        assert await storage.blobs("kept").get("name") == b"content"
        await storage.close()
    assert not azurite.is_running


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AzuriteError, match=f"Port {port} is taken"):
            Azurite(tmp_path, port, in_memory=True).start()


def test_missing_node_and_missing_packages_are_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "PROJECT", tmp_path)
        with pytest.raises(AzuriteError, match="npm ci"):
            Azurite(tmp_path).start()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AzuriteError, match=r"Node\.js was not found"):
        Azurite(tmp_path).start()


def test_an_early_end_is_reported_with_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = tmp_path / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    entry.parent.mkdir(parents=True)
    entry.write_text("console.error('the disk is on fire'); process.exit(1)")
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    with pytest.raises(AzuriteError, match="Azurite ended: the disk is on fire"):
        Azurite(tmp_path).start()


@pytest.mark.skipif(sys.platform == "win32", reason="looks at the process table by signal")
def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from dev.azurite import Azurite; "
        "azurite = Azurite(pathlib.Path(sys.argv[1]), in_memory=True); azurite.start(); "
        "print(azurite.process_id, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _is_alive(pid):
        time.sleep(0.05)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
