"""Watches over calls of user code: starts them, stops them in time or when asked to, abandons them when they don't."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from shared.logs.capture import left_threads
from shared.runtime.calls import Call, Outcome, StopReason, StopSignal
from shared.runtime.left_tasks import left_tasks
from shared.runtime.loops import LoopPool, TaskCall
from shared.runtime.threads import ThreadCall, ThreadPool
from shared.settings.environment import get_settings

# How long code that was asked to end may take before it is given the exception that makes it, and before it is
# abandoned; docs/reliability.md tells authors.
FORCE_SECONDS = 1.0
GRACE_SECONDS = 5.0
# Code that swallows the exception gets it again.
_LOOK_AGAIN_SECONDS = 0.25
# How exactly a time limit is kept.
_LIMIT_RESOLUTION_SECONDS = 0.05
# A loop that comes back after so long has been held: leases are renewed every few seconds.
_HELD_SECONDS = 5.0

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPool:
    """The process's worker threads."""
    return ThreadPool(get_settings().thread_pool_size)


@lru_cache(maxsize=1)
def loop_pool() -> LoopPool:
    """The process's event loops for user code."""
    return LoopPool(get_settings().event_loops)


async def run_in_thread(
    function: Callable[[], Any], context: contextvars.Context, limit: float | None, stop: StopSignal | None
) -> Outcome:
    """Calls `function` in a worker thread.

    Args:
        function: what to call; a coroutine that it returns is awaited in that thread.
        context: the context variables that it sees.
        limit: seconds that it may take from its start; None for no bound.
        stop: ends it early when asked to.

    Returns:
        What it came to; nothing of what user code does is raised here.
    """
    return await Watch(ThreadCall(function, context, thread_pool())).run(limit, stop)


async def run_on_loop(
    function: Callable[[], Coroutine[Any, Any, Any]],
    home: str,
    context: contextvars.Context,
    limit: float | None,
    stop: StopSignal | None,
    on_blocked: Callable[[str], None],
) -> Outcome:
    """Calls an `async def` function on a loop for user code; arguments and outcome as in `run_in_thread`.

    Args:
        function, context, limit, stop: as in `run_in_thread`.
        home: the file that it is from; all of a file's calls run on one loop.
        on_blocked: gets the line at which the call is found to block its loop, for which others wait.
    """
    return await Watch(TaskCall(function, context, loop_pool(), home, on_blocked)).run(limit, stop)


class Watch:
    """Starts one call, waits for its outcome, and stops it in time or when asked to; on the loop it is made on.

    Args:
        call: has not been started yet.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._limit: float | None = None
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._reason: StopReason | None = None
        self._where: str | None = None
        self._signal: StopSignal | None = None
        self._force_at = self._abandon_at = 0.0

    async def run(self, limit: float | None, stop: StopSignal | None) -> Outcome:
        """Runs the call to its end, or until it is abandoned; arguments and outcome as in `run_in_thread`."""
        self._limit, self._signal = limit, stop
        watches = _watches_on(self._loop)
        if stop is not None:
            if stop.requested:
                return Outcome(ending="cancelled")
            stop.listen(self._on_stop_signal)
        watches.add(self)
        try:
            self._call.start(self.settle)
            outcome = await self._outcome
        except asyncio.CancelledError:
            # Nobody waits any more (the host ends, or its invocation was cancelled): the code is told to stop, too.
            if stop is not None:
                stop.request()
            if not self._call.withdraw():
                self._call.interrupt()
            raise
        finally:
            watches.discard(self)
            if self._timer is not None:
                self._timer.cancel()
            # The call knows its watch: both would be garbage that only the collector finds, after every run.
            del self._call
        if self._reason is not None:
            outcome.ending = self._reason
            outcome.where = outcome.where or self._where
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Ends the wait, from any thread; a second outcome is dropped, as is one that comes after the loop's end."""
        self._call_soon(self._set_outcome, outcome)

    def _on_stop_signal(self) -> None:
        self._call_soon(self._stop, "cancelled")

    def _call_soon(self, callback: Callable[[Any], None], argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, argument)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    def _set_outcome(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def check_limit(self) -> None:
        """Stops the call if it has used up its time. What it spent waiting for a thread or loop is not its own."""
        started = self._call.started_at
        if started is not None and self._limit is not None and time.monotonic() >= started + self._limit:
            self._stop("timeout")

    def _stop(self, reason: StopReason) -> None:
        if self._reason is not None or self._outcome.done() or self._call.finishing:
            return
        self._reason = reason
        self._where = self._call.where()
        if self._signal is not None:
            self._signal.request()
        if self._call.withdraw():
            return
        if self._signal is None or not self._signal.seen:
            self._call.cancel()
        now = self._loop.time()
        self._force_at, self._abandon_at = now + FORCE_SECONDS, now + GRACE_SECONDS
        self._timer = self._loop.call_at(min(self._force_at, self._abandon_at), self._look)

    def _look(self) -> None:
        if self._outcome.done():
            return
        now = self._loop.time()
        if now >= self._abandon_at:
            where = self._call.where() or self._where
            self._call.abandon()
            self._outcome.set_result(Outcome(abandoned=True, where=where))
            return
        if now >= self._force_at:
            self._call.interrupt()
        self._timer = self._loop.call_at(min(now + _LOOK_AGAIN_SECONDS, self._abandon_at), self._look)


# Those under way, by their loop. Each loop has one timer for all their limits: one for each of them, set and cancelled,
# takes a twentieth of all that the engine does for a short run.
_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, set[Watch]] = WeakKeyDictionary()


def _watches_on(loop: asyncio.AbstractEventLoop) -> set[Watch]:
    watches = _watches.get(loop)
    if watches is None:
        watches = _watches[loop] = set()
        _check_limits_later(loop)
    return watches


def _check_limits_later(loop: asyncio.AbstractEventLoop) -> None:
    due = loop.time() + _LIMIT_RESOLUTION_SECONDS
    loop.call_at(due, _check_limits, loop, due)


def _check_limits(loop: asyncio.AbstractEventLoop, due: float) -> None:
    late = loop.time() - due
    if late > _HELD_SECONDS:
        logger.warning(
            "Nothing ran in this process for %.1f s. Code that keeps the interpreter's lock does that, a regular"
            " expression that backtracks, say; leases of runs may have expired meanwhile",
            late,
        )
    watches = _watches[loop]
    for watch in list(watches):
        watch.check_limit()
    if watches:
        _check_limits_later(loop)
    else:
        del _watches[loop]


def pool_figures() -> dict[str, int]:
    """How busy this process is with user code: what runs, waits, blocks a loop, or was abandoned and still runs."""
    threads, loops = thread_pool(), loop_pool()
    return {
        "threads": threads.running,
        "threadLimit": threads.size,
        "waiting": threads.waiting + loops.waiting,
        "tasks": loops.running,
        "loops": loops.loops,
        "blockedLoops": loops.blocked,
        "abandoned": threads.abandoned + loops.abandoned,
        "leftTasks": left_tasks(),
        "leftThreads": left_threads(),
    }
