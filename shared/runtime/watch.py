"""Watches over a call of user code: starts it, stops it in time or when asked to, gives it up when it won't stop."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from shared.runtime.calls import Job, Outcome, StopReason, StopSignal
from shared.runtime.loops import LoopPool, TaskJob
from shared.runtime.threads import ThreadJob, ThreadPool
from shared.settings.environment import get_settings

# How long code that was told to stop may take before it is given up; the contract's figure.
GRACE_SECONDS = 5.0
# How exactly a time limit is kept.
_LIMIT_RESOLUTION_SECONDS = 0.05
# Code that catches the exception that asks it to stop is asked again.
_ASK_AGAIN_SECONDS = 0.25


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPool:
    """The process's worker threads."""
    return ThreadPool(get_settings().thread_pool_size)


@lru_cache(maxsize=1)
def loop_pool() -> LoopPool:
    """The process's event loops for user code."""
    return LoopPool(get_settings().event_loops)


async def run_in_thread(
    label: str, call: Callable[[], Any], context: contextvars.Context, limit: float | None, stop: StopSignal | None
) -> Outcome:
    """Calls `call` in a worker thread.

    Args:
        label: the function's name, for messages.
        call: what to call; a coroutine that it returns is awaited in that thread.
        context: the context variables that it sees.
        limit: seconds that it may take from its start; None for no bound.
        stop: ends it early when asked to.

    Returns:
        What it came to; this function raises nothing of what user code does.
    """
    if stop is not None and stop.requested:
        return Outcome(ending="cancelled")
    pool = thread_pool()
    job = ThreadJob(label, call, context, pool)
    future = job.expect(asyncio.get_running_loop())
    pool.submit(job)
    return await _watch(job, future, limit, stop)


async def run_on_loop(
    label: str,
    call: Callable[[], Awaitable[Any]],
    context: contextvars.Context,
    limit: float | None,
    stop: StopSignal | None,
    note: Callable[[str], None],
) -> Outcome:
    """Calls an `async def` function on a loop for user code; arguments and outcome as in `run_in_thread`.

    Args:
        label, call, context, limit, stop: as in `run_in_thread`.
        note: gets a sentence when the call is found to block its loop.
    """
    if stop is not None and stop.requested:
        return Outcome(ending="cancelled")
    pool = loop_pool()
    job = TaskJob(label, call, context, pool, note)
    future = job.expect(asyncio.get_running_loop())
    pool.submit(job)
    return await _watch(job, future, limit, stop)


async def _watch(job: Job, future: asyncio.Future[Outcome], limit: float | None, stop: StopSignal | None) -> Outcome:
    watch = _Watch(job, future, limit)
    if stop is not None:
        stop.listen(watch.cancel_from_any_thread)
    try:
        outcome = await future
    except asyncio.CancelledError:
        # Nobody waits any more (the host ends, or its invocation was cancelled): the code is told to stop, too.
        job.stop()
        raise
    finally:
        watch.close()
    return watch.judge(outcome)


class _Limits:
    """The time limits of all jobs that one loop waits for, under one timer; one for each would cost more than a run."""

    def __init__(self) -> None:
        self._watches: set[_Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watch: _Watch) -> None:
        self._watches.add(watch)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LIMIT_RESOLUTION_SECONDS, self._check)

    def discard(self, watch: _Watch) -> None:
        self._watches.discard(watch)

    def _check(self) -> None:
        self._timer = None
        for watch in list(self._watches):
            watch.check_limit()
        if self._watches:
            self._timer = asyncio.get_running_loop().call_later(_LIMIT_RESOLUTION_SECONDS, self._check)


_limits: WeakKeyDictionary[asyncio.AbstractEventLoop, _Limits] = WeakKeyDictionary()


class _Watch:
    """Watches one job, on the loop that waits for it."""

    def __init__(self, job: Job, future: asyncio.Future[Outcome], limit: float | None) -> None:
        self._job = job
        self._future = future
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._reason: StopReason | None = None
        self._give_up_at = 0.0
        self._where: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._limits = _limits.get(self._loop)
        if self._limits is None:
            self._limits = _limits.setdefault(self._loop, _Limits())
        if limit is not None:
            self._limits.add(self)

    def check_limit(self) -> None:
        """Stops the job if it has used up its time. What it spent waiting for a thread or loop is not its own."""
        started = self._job.started_at
        if started is not None and self._limit is not None and time.monotonic() >= started + self._limit:
            self._begin_stop("timeout")

    def cancel_from_any_thread(self) -> None:
        """Stops the job because somebody asked for it."""
        try:
            self._loop.call_soon_threadsafe(self._begin_stop, "cancelled")
        except RuntimeError:
            # The loop is closed, and with it the run.
            return

    def _begin_stop(self, reason: StopReason) -> None:
        if self._reason is not None or self._future.done():
            return
        self.close()
        self._reason = reason
        self._where = self._job.where()
        self._give_up_at = self._loop.time() + GRACE_SECONDS
        self._ask()

    def _ask(self) -> None:
        if self._future.done():
            return
        if self._loop.time() >= self._give_up_at:
            hangs = self._job.where() or self._where
            self._job.abandon()
            self._future.set_result(Outcome(abandoned=True, where=hangs))
            return
        self._job.stop()
        self._timer = self._loop.call_later(_ASK_AGAIN_SECONDS, self._ask)

    def close(self) -> None:
        """Stops watching."""
        assert self._limits is not None
        self._limits.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def judge(self, outcome: Outcome) -> Outcome:
        """The outcome in the light of what the job was told."""
        if self._reason is None:
            return outcome
        outcome.ending = self._reason
        outcome.where = outcome.where or self._where
        return outcome


def pool_figures() -> dict[str, int]:
    """How busy this process is with user code: what runs, waits, blocks a loop, or was given up and goes on."""
    threads, loops = thread_pool(), loop_pool()
    return {
        "threads": threads.running,
        "threadLimit": threads.size,
        "waiting": threads.waiting,
        "tasks": loops.running,
        "loops": loops.loops,
        "blockedLoops": loops.blocked,
        "abandoned": threads.abandoned + loops.abandoned,
    }
