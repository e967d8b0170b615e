"""The host as a whole: one port, the listeners, and one worker that is started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.host.admin import Admin
from dev.host.functions import HTTP_TRIGGER, QUEUE_TRIGGER, TIMER_TRIGGER, Function, FunctionError, describe
from dev.host.host_json import HostOptions, read_host_json
from dev.host.http_server import HttpServer
from dev.host.queue_listener import QueueListener
from dev.host.requests import principal_from
from dev.host.routing import Router
from dev.host.timer_listener import TimerListener
from dev.host.wire import HOST
from dev.host.worker_process import (
    AppLoadError,
    FunctionFailedError,
    FunctionTimeoutError,
    WorkerLostError,
    WorkerProcess,
)

logger = logging.getLogger("dev.host")

PRINCIPAL_SETTING = "LOCAL_HOST_PRINCIPAL"
DRAIN_SECONDS = 10.0
# Before a worker is started again: nothing for the first, then this, doubled each time up to the bound.
RESTART_PAUSE_SECONDS = 0.5
LONGEST_RESTART_PAUSE_SECONDS = 30.0
# A worker that has lived this long has not failed at its start.
STEADY_SECONDS = 60.0


Listener = QueueListener | TimerListener


class HostError(Exception):
    """The host can't start; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class _App:
    """A worker that has loaded the app, and what leads to its functions."""

    worker: WorkerProcess
    router: Router
    listeners: dict[str, Listener]
    functions: dict[str, Function]


class LocalHost:
    """Serves one function app on 127.0.0.1. To be made where an event loop runs.

    Args:
        app_dir: folder with function_app.py and host.json.
        port: 1 to 65535, or 0 for a free one.
        environ: the app's environment variables, all of them.

    Raises:
        HostJsonError: host.json can't be used.
        HostError: there is no function_app.py, or a setting of the host itself can't be used.
    """

    def __init__(self, app_dir: Path, port: int, environ: Mapping[str, str]) -> None:
        self._app_dir = app_dir.resolve()
        self._port = port
        if not (self._app_dir / "function_app.py").is_file():
            raise HostError(f"There is no function_app.py in {self._app_dir}")
        self._environ = {
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            **environ,
            "FUNCTIONS_WORKER_RUNTIME": "python",
        }
        self.options: HostOptions = read_host_json(self._app_dir, environ)
        self._app: _App | None = None
        self._changed = asyncio.Condition()
        self._load_error: str | None = None
        self._errors: list[str] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._supervisor: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        admin = Admin(self._status, self._list, self._run_by_name)
        self._http = HttpServer(self.options, _principal(environ), self._wait_for_app, admin.answer)

    @property
    def url(self) -> str:
        """Where it listens; known once `start` has returned."""
        return f"http://{HOST}:{self._port}"

    @property
    def load_error(self) -> str | None:
        """Why the app can't be loaded, in one line; None when it is loaded, or still loading."""
        return self._load_error

    @property
    def worker_process_id(self) -> int | None:
        """The process of the worker; None while there is none."""
        return None if self._app is None else self._app.worker.process_id

    async def start(self) -> None:
        """Listens, and returns when the app is loaded, or can't be: then requests get 503 and `load_error` says why.

        Raises:
            PortTakenError: something else listens on the port.
        """
        self._port = await self._http.listen(self._port)
        self._supervisor = asyncio.create_task(self._supervise_worker())
        await self._wait_for_app()

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Takes no more work, waits for what is under way, and ends the worker. Messages not done stay invisible."""
        await self._http.stop_accepting()
        listeners = list(self._app.listeners.values()) if self._app else []
        for listener in listeners:
            await listener.stop_polling()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await asyncio.gather(self._http.wait_idle(), *(listener.wait_idle() for listener in listeners))
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._http.close()

    async def _supervise_worker(self) -> None:
        pause = 0.0
        while True:
            try:
                worker = await WorkerProcess.start(self._app_dir, self._environ, self.options)
            except AppLoadError as error:
                logger.error("%s; every request gets 503 until the host is started again", error)  # noqa: TRY400
                await self._publish(None, str(error))
                return
            began = time.monotonic()
            app = self._assemble(worker)
            try:
                await self._publish(app, None)
                for listener in app.listeners.values():
                    listener.start()
                await worker.lost.wait()
            finally:
                await self._publish(None, None)
                await worker.kill()
                for listener in app.listeners.values():
                    await listener.stop_polling()
                    await listener.close()
            if time.monotonic() - began > STEADY_SECONDS:
                pause = 0.0
            logger.warning("The worker ended with code %s and is started again in %g s", worker.exit_code, pause)
            await asyncio.sleep(pause)
            pause = min(max(pause * 2, RESTART_PAUSE_SECONDS), LONGEST_RESTART_PAUSE_SECONDS)

    def _assemble(self, worker: WorkerProcess) -> _App:
        functions: list[Function] = []
        listeners: dict[str, Listener] = {}
        self._errors = []
        for name, bindings in worker.functions:
            try:
                function = describe(name, bindings)
                if function.trigger_type == QUEUE_TRIGGER:
                    listeners[name] = QueueListener(function, self.options.queues, self._environ, worker.call)
                elif function.trigger_type == TIMER_TRIGGER:
                    listeners[name] = TimerListener(function, self._environ, worker.call, self.options.host_id)
                functions.append(function)
            except FunctionError as error:
                self._errors.append(str(error))
        http_functions = [function for function in functions if function.trigger_type == HTTP_TRIGGER]
        router = Router(http_functions, self.options.route_prefix)
        self._errors += router.errors
        for error in self._errors:
            logger.error("%s", error)
        logger.info("%d of %d functions loaded", len(worker.functions) - len(self._errors), len(worker.functions))
        return _App(worker, router, listeners, {function.name: function for function in functions})

    async def _publish(self, app: _App | None, load_error: str | None) -> None:
        async with self._changed:
            self._app, self._load_error = app, load_error
            self._changed.notify_all()

    async def _wait_for_app(self) -> tuple[WorkerProcess, Router] | None:
        if self._app is None or self._app.worker.lost.is_set():
            async with self._changed:
                await self._changed.wait_for(self._is_settled)
        return None if self._app is None else (self._app.worker, self._app.router)

    def _is_settled(self) -> bool:
        return self._load_error is not None or (self._app is not None and not self._app.worker.lost.is_set())

    def _status(self) -> dict[str, Any]:
        errors = [self._load_error] if self._load_error else self._errors
        return {
            "state": "Error" if self._load_error else "Running" if self._app else "Initialized",
            "processUptime": round((time.monotonic() - self._began) * 1000),
            "functions": sorted(self._app.functions) if self._app else [],
            "errors": errors,
        }

    def _list(self) -> list[dict[str, Any]]:
        functions = self._app.functions if self._app else {}
        return [
            {"name": name, "config": {"bindings": [dict(function.trigger)]}}
            for name, function in sorted(functions.items())
        ]

    async def _run_by_name(self, name: str, text: str) -> bool:
        await self._wait_for_app()
        app = self._app
        listener = next((found for key, found in app.listeners.items() if key.lower() == name), None) if app else None
        if app is None or listener is None:
            return False
        function = next(function for key, function in app.functions.items() if key.lower() == name)
        task = asyncio.create_task(_call_once(app.worker, function, *listener.manual_call(text)))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return True


async def _call_once(worker: WorkerProcess, function: Function, header: dict[str, Any], body: bytes) -> None:
    # What became of it is in the log, as on Azure.
    with contextlib.suppress(FunctionFailedError, FunctionTimeoutError, WorkerLostError):
        await worker.call(function, header, body)


def _principal(environ: Mapping[str, str]) -> str | None:
    claims = environ.get(PRINCIPAL_SETTING)
    if not claims:
        return None
    try:
        return principal_from(claims)
    except ValueError as error:
        raise HostError(f"{PRINCIPAL_SETTING} must be a JSON object of claims: {error}") from None
