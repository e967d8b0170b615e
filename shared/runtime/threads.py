"""Worker threads for `def` functions and scripts: a bounded pool, whose calls can be stopped and abandoned."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from shared.errors import ExecutionStopped
from shared.logs.hooks import watch_loop
from shared.runtime.calls import Call, Outcome, line_of_coroutine, line_of_thread
from shared.runtime.interruption import Interruptible, forget_thread, raise_in_thread
from shared.runtime.left_tasks import RunTasks


class ThreadPool:
    """Runs calls in at most `size` threads, first come, first served.

    A thread whose call was asked to stop is not used again, since the exception that asks may still be on its way; one
    whose call was abandoned is replaced at once. Threads are daemons: user code that never ends must not keep the
    process from ending.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.abandoned = 0
        self._calls: queue.SimpleQueue[ThreadCall] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._waiting = 0
        self._names = itertools.count(1)

    @property
    def running(self) -> int:
        """How many threads run a call."""
        return self._threads - self._idle

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return self._waiting

    def start(self, call: ThreadCall) -> None:
        """Has the call begin as soon as a thread is free."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self.size:
                self._add_thread()
            else:
                self._waiting += 1
        self._calls.put(call)

    def abandon(self, call: ThreadCall) -> None:
        """Stops counting the call's thread as one of the pool's."""
        with self._lock:
            if call.ended:
                return
            call.abandoned = True
            self.abandoned += 1
            self._remove_thread()

    def _add_thread(self) -> None:
        # A context of its own: the thread outlives the run that happened to need it first.
        thread = threading.Thread(target=self._work, name=f"workflow-{next(self._names)}", daemon=True)
        contextvars.Context().run(thread.start)
        self._threads += 1

    def _remove_thread(self) -> None:
        self._threads -= 1
        if self._waiting:
            self._waiting -= 1
            self._add_thread()

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call.begin():
                call.execute()
            with self._lock:
                if call.abandoned:
                    self.abandoned -= 1
                    return
                if call.interrupted:
                    self._remove_thread()
                    return
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._idle += 1
            del call


@dataclass(eq=False, slots=True)
class ThreadCall(Call):
    """A call in a worker thread. A coroutine that it returns is run to its end there, on a loop of its own."""

    _pool: ThreadPool
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _thread_id: int | None = field(default=None, init=False)
    _waiting: _Waiting | None = field(default=None, init=False)
    _left_tasks: list[str] = field(default_factory=list[str], init=False)

    def start(self, on_end: Callable[[Outcome], None]) -> None:
        self._on_end = on_end
        self._pool.start(self)

    def execute(self) -> None:
        """Runs the call, which has begun, in the current thread to its end; never raises."""
        self._thread_id = threading.get_ident()
        outcome: Outcome | None = None
        # The exception that asks for the end can arrive between any two instructions, these here included.
        while not self.ended:
            try:
                if outcome is None:
                    outcome = self._run()
                with self._lock:
                    self.ended = True
            except ExecutionStopped as error:
                outcome = outcome or Outcome(error=error, ending="raised")
        if self.interrupted:
            _take_pending_exception()
            forget_thread()
        assert outcome is not None
        outcome.left_tasks = self._left_tasks
        self._on_end(outcome)

    def _run(self) -> Outcome:
        try:
            value = self.context.run(self.target)
            if inspect.isawaitable(value):
                value = self.context.run(self._await, value)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its outcome
            return Outcome(error=error, ending="raised")
        return Outcome(value=value)

    def _await(self, awaitable: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await awaitable

        async def main() -> Any:
            task = asyncio.current_task()
            assert task is not None
            coroutine = awaited()
            with self._lock:
                self._waiting = _Waiting(asyncio.get_running_loop(), task, coroutine)
            try:
                return await Interruptible(coroutine, self._interruption)
            finally:
                with self._lock:
                    self._waiting, self.finishing = None, True
                self._left_tasks = await tasks.end()

        with asyncio.Runner() as runner:
            tasks = RunTasks()
            watch_loop(runner.get_loop())
            RunTasks.follow(runner.get_loop())
            # asyncio.run would put a signal handler in place, which only the main thread may.
            return runner.run(main(), context=tasks.within(contextvars.copy_context()))

    def cancel(self) -> None:
        with self._lock:
            if self._waiting is not None:
                self._cancel(self._waiting)

    def interrupt(self) -> None:
        with self._lock:
            # An exception that is on its way to code inside of C can only be waited for.
            over = self.ended or self.finishing or self._thread_id is None
            if over or self._interruption.is_handled or self._interruption.raising:
                return
            assert self._thread_id is not None
            self.interrupted = True
            waiting = self._waiting
            if waiting is None or waiting.is_busy:
                raise_in_thread(self._thread_id, self._interruption)
            elif not self._interruption.cancelling:
                self._cancel(waiting)

    def _cancel(self, waiting: _Waiting) -> None:
        self.interrupted = self._interruption.cancelling = True
        waiting.loop.call_soon_threadsafe(self._interruption.cancel, waiting.task)

    def abandon(self) -> None:
        self._pool.abandon(self)

    def where(self) -> str | None:
        if self.started_at is None or self.ended:
            return None
        with self._lock:
            if self._waiting is not None and not self._waiting.is_busy:
                return line_of_coroutine(self._waiting.coroutine)
        return line_of_thread(self._thread_id)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A coroutine that a call returned, on its way through the call's own loop."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]
    coroutine: Coroutine[Any, Any, Any]

    @property
    def is_busy(self) -> bool:
        """Whether the call's loop runs code at this moment, so that a cancelled task would not end it."""
        return asyncio.current_task(self.loop) is not None


def _take_pending_exception() -> None:
    """Lets an `ExecutionStopped` that is still on its way to this thread arrive here, where it harms nothing.

    Clearing it by PyThreadState_SetAsyncExc(id, None) would leave the interpreter looking for it for ever, which is
    slow, and under a tracer of CPython 3.11 an endless loop.
    """
    try:
        # At the end of each turn the interpreter raises what is pending; there is one at most.
        for _ in range(3):
            pass
    except ExecutionStopped:
        return
