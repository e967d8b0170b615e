"""The worker child: holds the app, runs its functions, and ends when its supervisor does."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import logging
import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import IO, Any

import azure.functions as func

from dev.host.app_loader import FunctionLoadError, LoadedFunction, load_app
from dev.host.bindings import decode_trigger, encode_result
from dev.host.logs import Invocation, add_handler, current_invocation
from dev.host.wire import HOST, Connection

logger = logging.getLogger("dev.host.worker")


class Worker:
    """Loads the app and serves the supervisor's calls until the line closes.

    Args:
        port: where the supervisor listens.
        token: says to the supervisor that this is its child.
        directory: the app's folder.
    """

    def __init__(self, port: int, token: str, directory: str) -> None:
        self._port = port
        self._token = token
        self._directory = directory
        self._functions: dict[str, LoadedFunction] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._thread_local = threading.local()
        # https://learn.microsoft.com/azure/azure-functions/python-scale-performance-reference
        threads = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._threads = ThreadPoolExecutor(int(threads) if threads else min(32, (os.cpu_count() or 1) + 4))

    async def run(self) -> None:
        """Serves until the line closes."""
        loop = asyncio.get_running_loop()
        closed = asyncio.Event()
        _, line = await loop.create_connection(lambda: Connection(self._received, closed.set), HOST, self._port)
        self._line = line
        line.send({"type": "hello", "token": self._token})
        try:
            self._functions = {function.name: function for function in load_app()}
        except Exception as error:  # noqa: BLE001 - the import may raise anything, and all of it is sent
            reason = str(error) if isinstance(error, FunctionLoadError) else f"{type(error).__name__}: {error}"
            line.send({"type": "failed", "reason": reason, "traceback": traceback.format_exc()})
        else:
            described = [[function.name, function.bindings] for function in self._functions.values()]
            line.send({"type": "loaded", "functions": described})
        await closed.wait()

    def _received(self, header: dict[str, Any], body: bytes) -> None:
        task = asyncio.create_task(self._serve(header, body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, header: dict[str, Any], body: bytes) -> None:
        function = self._functions[header["function"]]
        invocation = Invocation(header["id"], function.name)
        current_invocation.set(invocation)
        try:
            answer, answer_body = encode_result(function, await self._call(function, invocation, header, body))
            self._line.send({"id": invocation.invocation_id, "ok": True, **answer}, answer_body)
        except (Exception, asyncio.CancelledError):
            logger.exception("Function %s failed", function.name)
            self._line.send({"id": invocation.invocation_id, "ok": False})

    async def _call(self, function: LoadedFunction, invocation: Invocation, header: dict[str, Any], body: bytes) -> Any:
        arguments = {function.trigger["name"]: decode_trigger(function, header, body)}
        if function.wants_context:
            arguments["context"] = _Context(invocation, self._directory, self._thread_local)
        if function.is_async:
            return await function.call(**arguments)
        run = functools.partial(contextvars.copy_context().run, functools.partial(function.call, **arguments))
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


class _Context(func.Context):
    def __init__(self, invocation: Invocation, directory: str, thread_local: threading.local) -> None:
        self._invocation = invocation
        self._directory = directory
        self._thread_local = thread_local

    @property
    def invocation_id(self) -> str:
        return self._invocation.invocation_id

    @property
    def function_name(self) -> str:
        return self._invocation.function

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def thread_local_storage(self) -> Any:
        return self._thread_local

    @property
    def trace_context(self) -> Any:
        return SimpleNamespace(trace_parent="", trace_state="", attributes={})

    @property
    def retry_context(self) -> Any:
        return SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


def main() -> None:
    """Reads from standard input what to do (one line of JSON), and does it until standard input closes."""
    supervisor = _take_standard_input()
    orders = json.loads(supervisor.readline())
    threading.Thread(target=_end_with, args=(supervisor,), name="supervisor-watch", daemon=True).start()
    os.chdir(orders["directory"])
    # Where `python -m` has put the folder that this file comes from.
    sys.path[0] = orders["directory"]
    add_handler(logging.getLogger(), orders["log_levels"])
    asyncio.run(Worker(orders["port"], orders["token"], orders["directory"]).run())
    # As on Azure nothing waits for threads that the app has left behind.
    os._exit(0)


def _take_standard_input() -> IO[bytes]:
    """Standard input for this module alone: an app that reads its own finds nothing there."""
    standard_input = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return standard_input


def _end_with(supervisor: IO[bytes]) -> None:
    # A thread of its own: the app may block the event loop, and the supervisor may be killed at any time.
    supervisor.read()
    os._exit(1)


if __name__ == "__main__":
    main()
