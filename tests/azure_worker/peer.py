"""Starts Microsoft's worker on an app, and calls the app's functions through it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from dev.setup import PROJECT

RUNTIME = "azure-functions-runtime==1.3.0"
_VERSIONS = ("3.13", "3.14")
_DRIVER = Path(__file__).with_name("driver.py")
_INSTALL_SECONDS = 300


class NoWorkerError(Exception):
    """The worker can't be had here; the message says why."""


def worker_python() -> Path:
    """The Python of an environment with the worker and the app's requirements, which is made once in `.dev`.

    Raises:
        NoWorkerError: there is no Python that the worker runs on, or it can't be installed.
    """
    wanted = RUNTIME + (PROJECT / "requirements.txt").read_text()
    folder = PROJECT / ".dev" / f"azure-worker-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if not folder.exists():
        base = _base_python()
        # Made aside and then put in its place, since other tests may be doing the same.
        aside = folder.with_name(f"{folder.name}-{os.getpid()}")
        try:
            subprocess.run([base, "-m", "venv", "--clear", aside], check=True, capture_output=True)
            install = [aside / "bin" / "python", "-m", "pip", "install", "--quiet", RUNTIME]
            requirements = ["-r", PROJECT / "requirements.txt"]
            subprocess.run([*install, *requirements], check=True, capture_output=True, timeout=_INSTALL_SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            raise NoWorkerError(f"{RUNTIME} can't be installed: {type(error).__name__}") from None
        with contextlib.suppress(OSError):  # another was faster
            aside.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    return folder / "bin" / "python"


def _base_python() -> str:
    candidates = [shutil.which(f"python{version}") for version in _VERSIONS]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(found) for version in _VERSIONS for found in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in candidates:
        # A shim of pyenv may be there without the version behind it.
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    raise NoWorkerError(f"{RUNTIME} needs Python {' or '.join(_VERSIONS)}, and there is none here")


class AzureWorker:
    """A running worker.

    Attributes:
        start_log: what it wrote while it loaded the app.
    """

    def __init__(self, process: asyncio.subprocess.Process, start_log: list[str]) -> None:
        self._process = process
        self.start_log = start_log

    async def functions(self) -> dict[str, list[dict[str, Any]]]:
        """The bindings of each function, as the host gets them."""
        answer = await self._ask({"do": "index"})
        return {function["name"]: function["bindings"] for function in answer["functions"]}

    async def http(
        self,
        function: str,
        method: str,
        url: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Calls an HTTP function; `body` is sent as JSON, and the answer's is read as JSON."""
        call = http_call(function, method, url, body, headers=headers, params=params)
        answer = await self._ask(call)
        if answer.get("body"):
            answer["body"] = json.loads(base64.b64decode(answer["body"]))
        return answer

    async def queue(self, function: str, text: str, dequeue_count: int = 1) -> dict[str, Any]:
        """Calls a queue function with a message."""
        return await self._ask({"do": "queue", "function": function, "text": text, "dequeueCount": dequeue_count})

    async def timer(self, function: str, *, past_due: bool = False) -> dict[str, Any]:
        """Calls a timer function."""
        return await self._ask({"do": "timer", "function": function, "pastDue": past_due})

    async def bench(self, call: Mapping[str, Any], times: int) -> float:
        """Makes a call (see `http_call`) again and again: its median in milliseconds."""
        return (await self._ask({"do": "bench", "call": call, "times": times}))["p50_ms"]

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await _answer(self._process)


def http_call(
    function: str,
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The request of a call of an HTTP function."""
    content = b"" if body is None else json.dumps(body).encode()
    return {
        "do": "http",
        "function": function,
        "method": method,
        "url": url,
        "headers": dict(headers or {}),
        "params": dict(params or {}),
        "body": base64.b64encode(content).decode(),
    }


@contextlib.asynccontextmanager
async def azure_worker(connection: str, app_dir: Path = PROJECT, /, **settings: str) -> AsyncIterator[AzureWorker]:
    """Loads an app in the worker.

    Raises:
        NoWorkerError: see `worker_python`.
        RuntimeError: the app does not index.
    """
    python = await asyncio.to_thread(worker_python)
    environ = {**os.environ, "AzureWebJobsStorage": connection, "AUTH_MODE": "development", **settings}
    process = await asyncio.create_subprocess_exec(
        *(python, "-X", "utf8", _DRIVER, app_dir),
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 << 20,
    )
    try:
        started = await _answer(process)
        if not started["ok"]:
            raise RuntimeError(started["error"])
        yield AzureWorker(process, started["logs"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the worker ended; what it wrote to stderr says why")
    return json.loads(line)
