"""Worker threads for `def` functions and scripts: a bounded pool, whose calls can be stopped and abandoned."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import queue
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from shared.errors import ExecutionStopped
from shared.runtime.calls import Call, Outcome, line_of_task, line_of_thread, raise_in_thread


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
                if call.stop_requested:
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
    _on_end: Callable[[Outcome], None] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _thread_id: int | None = field(default=None, init=False)
    _task: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = field(default=None, init=False)

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
            except ExecutionStopped as stopped:
                outcome = outcome or Outcome(error=stopped, ending="raised")
        if self.stop_requested:
            _take_pending_exception()
        assert outcome is not None
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
        async def main() -> Any:
            task = asyncio.current_task()
            assert task is not None
            with self._lock:
                self._task = (asyncio.get_running_loop(), task)
            try:
                return await awaitable
            finally:
                with self._lock:
                    self._task = None

        with asyncio.Runner() as runner:
            # asyncio.run would put a signal handler in place, which only the main thread may.
            return runner.run(main(), context=contextvars.copy_context())

    def stop(self) -> None:
        if self.take():
            # No thread has begun it.
            self._on_end(Outcome(error=ExecutionStopped(), ending="raised"))
            return
        with self._lock:
            if self.ended or self._thread_id is None:
                return
            self.stop_requested = True
            if self._task is not None and self._waits():
                loop, task = self._task
                loop.call_soon_threadsafe(task.cancel)
            else:
                raise_in_thread(self._thread_id)

    def _waits(self) -> bool:
        """Whether the call's own loop waits for something, so that a cancelled task is what ends it."""
        assert self._task is not None
        loop, task = self._task
        return asyncio.current_task(loop) is not task

    def abandon(self) -> None:
        self._pool.abandon(self)

    def where(self) -> str | None:
        if self.started_at is None or self.ended:
            return None
        with self._lock:
            if self._task is not None and self._waits():
                return line_of_task(self._task[1])
        return line_of_thread(self._thread_id)


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
