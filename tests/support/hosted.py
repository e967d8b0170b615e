"""The app in the local host, as a process of its own, and a client for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.described import check_call

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is its JSON, the bytes of any other type, or None when it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """Calls a running app.

    Args:
        session: sends the requests.
        url: of the host.
        is_described: whether answers must be what the API's description says.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, *, is_described: bool = False) -> None:
        self._session = session
        self._is_described = is_described
        self.url = url

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        chunked: bool = False,
        **query: Any,
    ) -> Answer:
        """One request; `body` is sent as JSON, `raw` as it is; `chunked` without a length."""
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        data = io.BytesIO(content) if content is not None else None
        params = {name: str(value) for name, value in query.items()}
        url = f"{self.url}{path}"
        sent = {"data": data, "headers": headers, "params": params, "chunked": chunked or None}
        async with self._session.request(method, url, **sent) as answer:
            text = await answer.read()
            body = _content(answer.content_type, text)
            if self._is_described:
                check_call(method, path, answer.status, answer.headers, body)
            return Answer(answer.status, answer.headers, body)

    async def get(self, path: str, **fields: Any) -> Answer:
        """A GET below /api."""
        return await self.call("GET", f"/api{path}", **fields)

    async def post(self, path: str, body: Any = None, **fields: Any) -> Answer:
        """A POST below /api."""
        return await self.call("POST", f"/api{path}", body, **fields)

    async def until_ended(self, execution_id: str, seconds: float = 30) -> tuple[Any, list[str]]:
        """Polls an execution to its end; gives it, and the states it was seen in."""
        seen: list[str] = []
        async with asyncio.timeout(seconds):
            while True:
                execution = (await self.get(f"/executions/{execution_id}")).body
                if not seen or seen[-1] != execution["status"]:
                    seen.append(execution["status"])
                if execution["status"] not in ("Pending", "Running", "Cancelling"):
                    return execution, seen
                await asyncio.sleep(0.02)


@dataclass
class HostedApp:
    """A running host: its process, its client, and what it has written to its log."""

    process: asyncio.subprocess.Process
    client: Client
    log: list[str]


@contextlib.asynccontextmanager
async def hosted_app(connection: str, app_dir: Path = ROOT, /, **settings: str) -> AsyncIterator[HostedApp]:
    """Starts the app in the local host on a free port, and ends it as `kill` would."""
    environ = {
        **os.environ,
        "AzureWebJobsStorage": connection,
        "AUTH_MODE": "development",
        "WORKSPACE_RELOAD": "false",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dev.host", "--app", str(app_dir), "--port", "0"),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    log: list[str] = []
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reader = asyncio.create_task(_read(process, log, ready))
    try:
        async with asyncio.timeout(READY_SECONDS):
            url = await ready
        async with aiohttp.ClientSession() as session:
            yield HostedApp(process, Client(session, url, is_described=app_dir == ROOT), log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        await reader


def _content(kind: str, text: bytes) -> Any:
    if not text:
        return None
    return json.loads(text) if kind in ("application/json", "application/octet-stream") else text


async def _read(process: asyncio.subprocess.Process, log: list[str], ready: asyncio.Future[str]) -> None:
    assert process.stdout is not None
    async for raw in process.stdout:
        line = raw.decode("utf-8", "replace").rstrip()
        log.append(line)
        if line.startswith("Listening on ") and not ready.done():
            ready.set_result(line.removeprefix("Listening on ").strip())
    if not ready.done():
        ready.set_exception(RuntimeError("the host ended:\n" + "\n".join(log)))
