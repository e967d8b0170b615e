"""The supervisor's end of one worker child: starts it, calls its functions, ends it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.host.functions import Function
from dev.host.host_json import HostOptions
from dev.host.wire import HOST, Connection

logger = logging.getLogger("dev.host")

PROJECT = Path(__file__).resolve().parents[2]
# https://learn.microsoft.com/azure/azure-functions/functions-host-json gives the worker 60 s to start.
START_TIMEOUT_SECONDS = 60.0


class AppLoadError(Exception):
    """The app can't be loaded; the message is one line, and the details are in the log."""


class WorkerLostError(Exception):
    """The worker ended before the function did."""


class FunctionTimeoutError(Exception):
    """The function ran longer than functionTimeout; its worker is killed for it."""


class FunctionFailedError(Exception):
    """The function raised, or returned what can't be an answer; the worker has logged it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function returned: the header says what kind it is."""

    header: Mapping[str, Any]
    body: bytes


class WorkerProcess:
    """One worker child. Made by `start`.

    Attributes:
        functions: name and bindings of each function of the app.
        lost: set as soon as the child can do nothing more: it has ended, or is about to.
    """

    def __init__(self, process: asyncio.subprocess.Process, options: HostOptions) -> None:
        self.functions: list[tuple[str, list[Mapping[str, Any]]]] = []
        self.lost = asyncio.Event()
        self._process = process
        self._options = options
        self._line: Connection | None = None
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._loaded: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._reaper = asyncio.create_task(self._reap())

    @classmethod
    async def start(cls, app_dir: Path, environ: Mapping[str, str], options: HostOptions) -> WorkerProcess:
        """Starts a child and returns when it has loaded the app.

        Raises:
            AppLoadError: the app can't be imported, or takes longer than a minute for it.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-m", "dev.host.worker"),
            cwd=PROJECT,
            env=dict(environ),
            stdin=asyncio.subprocess.PIPE,
            # Ctrl-C goes to the whole foreground group, and the app is still needed while the host drains.
            start_new_session=sys.platform != "win32",
        )
        worker = cls(process, options)
        try:
            await worker._load(app_dir)
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the child ended; None while it lives."""
        return self._process.returncode

    async def call(self, function: Function, header: Mapping[str, Any], body: bytes) -> Answer:
        """Runs a function.

        Raises:
            FunctionFailedError, FunctionTimeoutError, WorkerLostError: it did not come to its end.
            UnicodeEncodeError: the header has text that is no Unicode.
        """
        if self._line is None or self.lost.is_set():
            raise WorkerLostError
        invocation_id = str(uuid.uuid4())
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._line.send({**header, "id": invocation_id, "function": function.name}, body)
        self._waiting[invocation_id] = answer
        limit = self._options.function_timeout
        timer = None if limit is None else loop.call_later(limit, self._time_out, function, answer)
        try:
            return await answer
        finally:
            del self._waiting[invocation_id]
            if timer is not None:
                timer.cancel()

    async def kill(self) -> None:
        """Ends the child, and what it has started, at once, as Azure does, and returns when it is gone."""
        self._kill()
        await self._reaper

    def _kill(self) -> None:
        self.lost.set()
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _load(self, app_dir: Path) -> None:
        token = secrets.token_hex(16)

        def received(line: Connection, header: dict[str, Any], body: bytes) -> None:
            if self._line is line:
                self._received(header, body)
            elif self._line is None and header.get("token") == token:
                self._line = line
            else:
                line.close()

        def make_connection() -> Connection:
            line = Connection(lambda header, body: received(line, header, body), lambda: self._line_lost(line))
            return line

        server = await asyncio.get_running_loop().create_server(make_connection, HOST, 0)
        try:
            orders = {
                "port": server.sockets[0].getsockname()[1],
                "token": token,
                "directory": str(app_dir),
                "log_levels": dict(self._options.log_levels),
            }
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(orders).encode() + b"\n")
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                loaded = await self._loaded
        except TimeoutError:
            raise AppLoadError(f"function_app.py was not loaded within {START_TIMEOUT_SECONDS:.0f} s") from None
        finally:
            server.close()
        if loaded["type"] == "failed":
            logger.error("function_app.py can't be loaded\n%s", loaded["traceback"].rstrip())
            raise AppLoadError(f"function_app.py can't be loaded: {loaded['reason']}")
        self.functions = [(name, bindings) for name, bindings in loaded["functions"]]

    def _received(self, header: dict[str, Any], body: bytes) -> None:
        if "type" in header:
            self._loaded.set_result(header)
            return
        answer = self._waiting.get(header["id"])
        if answer is None or answer.done():
            return
        if header["ok"]:
            answer.set_result(Answer(header, body))
        else:
            answer.set_exception(FunctionFailedError())

    def _time_out(self, function: Function, answer: asyncio.Future[Answer]) -> None:
        if not answer.done():
            logger.error(
                "Function %s ran longer than functionTimeout, %g s: its worker is killed, with every other call in it",
                function.name,
                self._options.function_timeout,
            )
            answer.set_exception(FunctionTimeoutError())
            self._kill()

    def _line_lost(self, line: Connection) -> None:
        # A worker that has closed its line can do nothing any more.
        if line is self._line:
            self._kill()

    async def _reap(self) -> None:
        code = await self._process.wait()
        # What the child has started would outlive it.
        self._kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not self._loaded.done():
            self._loaded.set_exception(
                AppLoadError(f"the worker ended with code {code} while it loaded function_app.py")
            )
            # Nobody may be waiting any more.
            self._loaded.exception()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(WorkerLostError())
