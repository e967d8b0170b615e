"""The timer trigger: calls a function on its schedule, in one instance of the app at a time, as WebJobs does.

Calls of one timer never overlap: the next is planned when the last has returned. After a start, one call makes up for
all that were missed. https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dev.host.functions import Function, FunctionError, resolve
from dev.host.host_lock import LEASE_SECONDS, HostLock
from dev.host.queue_listener import Call
from dev.host.schedules import ScheduleError, schedule_of
from dev.host.worker_process import FunctionFailedError, FunctionTimeoutError, WorkerLostError

logger = logging.getLogger("dev.host")

# How often an instance that has no lock tries to get it; Azure's host does so once a minute.
TRY_AGAIN_SECONDS = 5.0
RENEW_SECONDS = LEASE_SECONDS / 3
# More frequent schedules are not monitored: what was missed is made up for soon enough.
_MONITORED_FROM = timedelta(minutes=1)
_STORAGE_SETTING = "AzureWebJobsStorage"


class TimerListener:
    """Listens for one function.

    Args:
        function: has a timerTrigger.
        environ: the app's settings.
        call: runs the function.
        host_id: the same for all instances of an app.

    Raises:
        FunctionError: the schedule is none, or there is no storage account for the lock.
    """

    def __init__(self, function: Function, environ: Mapping[str, str], call: Call, host_id: str) -> None:
        self._function = function
        self._call = call
        text = resolve(str(function.trigger["schedule"]), environ, function.name)
        try:
            self._next = schedule_of(text)
            self._lock = HostLock(
                environ.get(_STORAGE_SETTING, "").rstrip(";"),
                f"locks/{host_id}/{function.name}.Listener",
                f"timers/{host_id}/{function.name}/status",
            )
        except (ScheduleError, ValueError) as error:
            raise FunctionError(f"Function {function.name} does not run: {error}") from None
        first = self._next(datetime.now(UTC))
        is_frequent = self._next(first) - first < _MONITORED_FROM
        self._is_monitored = bool(function.trigger.get("useMonitor", True)) and not is_frequent
        self._runs_on_startup = bool(function.trigger.get("runOnStartup", False))
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._calling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to keep the schedule."""
        self._task = asyncio.create_task(self._hold_lock())

    async def stop_polling(self) -> None:
        """Begins no more calls; one under way goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def wait_idle(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()

    async def close(self) -> None:
        """Gives the lock back, and waits for no call any more."""
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)
        await self._lock.release()
        await self._lock.close()

    def manual_call(self, _: str) -> tuple[dict[str, Any], bytes]:
        """Header and body of a call by hand; a timer takes no input."""
        return {}, self._request(is_past_due=False, status={})

    async def _hold_lock(self) -> None:
        while True:
            if await self._lock.acquire():
                lost = asyncio.create_task(self._until_lost())
                schedule = asyncio.create_task(self._run_schedule())
                try:
                    await asyncio.wait({lost, schedule}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (lost, schedule):
                        task.cancel()
                    ends = await asyncio.gather(lost, schedule, return_exceptions=True)
                for error in (end for end in ends if isinstance(end, Exception)):
                    logger.error("Function %s: its schedule failed", self._function.name, exc_info=error)
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _until_lost(self) -> None:
        while True:
            if not await self._lock.renew():
                return
            await asyncio.sleep(RENEW_SECONDS)

    async def _run_schedule(self) -> None:
        # A call may still be under way from when the lock was lost.
        await self._idle.wait()
        now = datetime.now(UTC)
        status = await self._read_status()
        planned = datetime.fromisoformat(status["Next"]) if status else None
        # A schedule that was changed meanwhile has missed nothing.
        if planned is not None and planned < now and planned == self._next(datetime.fromisoformat(status["Last"])):
            await self._run(status, is_past_due=True)
        elif self._runs_on_startup:
            await self._run(status, is_past_due=False)
        last = datetime.now(UTC)
        while True:
            following = self._next(last)
            status = {"Last": last.isoformat(), "Next": following.isoformat(), "LastUpdated": _now()}
            if self._is_monitored:
                await self._lock.write_status(json.dumps(status).encode())
            await _sleep_until(following)
            await self._run(status, is_past_due=False)
            last = max(following, self._last_before_now(following))

    def _last_before_now(self, moment: datetime) -> datetime:
        """What was due while a call took its time is not made up for."""
        now = datetime.now(UTC)
        return now if self._next(moment) < now else moment

    async def _run(self, status: dict[str, Any], *, is_past_due: bool) -> None:
        self._idle.clear()
        self._calling = asyncio.create_task(self._run_to_its_end(self._request(is_past_due=is_past_due, status=status)))
        # A lock that is lost, and a host that drains, end the schedule but not the call.
        await asyncio.shield(self._calling)

    async def _run_to_its_end(self, body: bytes) -> None:
        try:
            # What became of it is in the log; a timer has no retries.
            with contextlib.suppress(FunctionFailedError, FunctionTimeoutError, WorkerLostError):
                await self._call(self._function, {}, body)
        finally:
            self._idle.set()

    async def _read_status(self) -> dict[str, Any]:
        content = await self._lock.read_status() if self._is_monitored else None
        return json.loads(content) if content else {}

    def _request(self, *, is_past_due: bool, status: dict[str, Any]) -> bytes:
        request = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": is_past_due}
        return json.dumps(request).encode()


async def _sleep_until(moment: datetime) -> None:
    # Again and again, since the clock of sleeping and that of the calendar differ by a little.
    while True:
        wait = (moment - datetime.now(UTC)).total_seconds()
        if wait <= 0:
            return
        await asyncio.sleep(wait)


def _now() -> str:
    return datetime.now(UTC).isoformat()
