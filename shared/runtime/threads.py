"""Worker threads for `def` functions and scripts: a bounded pool whose threads can be told to stop and given up."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from shared.errors import ExecutionStopped
from shared.runtime.calls import Job, Outcome, line_of_task, line_of_thread, raise_in_thread


class ThreadPool:
    """Runs jobs in at most `size` threads, first come, first served.

    A thread that was told to stop is not used again, since the exception that tells it so may still be on its way; one
    that was given up is replaced at once. Threads are daemons: user code that never ends must not keep the process from
    ending.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.abandoned = 0
        self._jobs: queue.SimpleQueue[ThreadJob] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._waiting = 0
        self._names = itertools.count(1)

    @property
    def running(self) -> int:
        """How many threads run a job."""
        return self._threads - self._idle

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return self._waiting

    def submit(self, job: ThreadJob) -> None:
        """Runs the job as soon as a thread is free."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self.size:
                self._start_thread()
            else:
                self._waiting += 1
        self._jobs.put(job)

    def _start_thread(self) -> None:
        self._threads += 1
        # A context of its own: the thread outlives the run that happened to need it first.
        thread = threading.Thread(target=self._work, name=f"workflow-{next(self._names)}", daemon=True)
        contextvars.Context().run(thread.start)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.claim():
                job.execute()
            with self._lock:
                if job.given_up:
                    self.abandoned -= 1
                    return
                if job.told_to_stop:
                    self._threads -= 1
                    self._refill()
                    return
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._idle += 1
            del job

    def _refill(self) -> None:
        if self._waiting:
            self._waiting -= 1
            self._start_thread()

    def give_up(self, job: ThreadJob) -> None:
        """Stops counting the job's thread as one of the pool's."""
        with self._lock:
            if job.finished:
                return
            job.given_up = True
            self.abandoned += 1
            self._threads -= 1
            self._refill()


class ThreadJob(Job):
    """A call in a worker thread. A coroutine that it returns is run to its end there, on a loop of its own."""

    def __init__(self, label: str, call: Callable[[], Any], context: contextvars.Context, pool: ThreadPool) -> None:
        super().__init__(label, call, context)
        self.finished = False
        self.given_up = False
        self.told_to_stop = False
        self._pool = pool
        self._lock = threading.Lock()
        self._thread_id: int | None = None
        self._task: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def execute(self) -> None:
        """Runs the call in the current thread and delivers its outcome; never raises."""
        self.begin()
        self._thread_id = threading.get_ident()
        outcome: Outcome | None = None
        # The exception that asks for the end can arrive between any two instructions, these here included.
        while not self.finished:
            try:
                if outcome is None:
                    outcome = self._run()
                with self._lock:
                    self.finished = True
            except ExecutionStopped as stopped:
                outcome = outcome or Outcome(error=stopped, ending="raised")
        if self.told_to_stop:
            _take_pending_exception()
        assert outcome is not None
        self.deliver(outcome)

    def _run(self) -> Outcome:
        try:
            value = self.context.run(self.call)
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
        if self.claim():
            # No thread has taken it yet.
            self.deliver(Outcome(error=ExecutionStopped(), ending="raised"))
            return
        with self._lock:
            if self.finished or self._thread_id is None:
                return
            self.told_to_stop = True
            if self._task is not None and self._waits():
                loop, task = self._task
                loop.call_soon_threadsafe(task.cancel)
            else:
                raise_in_thread(self._thread_id)

    def _waits(self) -> bool:
        """Whether the job's own loop waits for something, so that a cancelled task is what ends it."""
        assert self._task is not None
        loop, task = self._task
        return asyncio.current_task(loop) is not task

    def abandon(self) -> None:
        self._pool.give_up(self)

    def where(self) -> str | None:
        if self.started_at is None or self.finished:
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
