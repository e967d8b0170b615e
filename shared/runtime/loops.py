"""Event loops for `async def` functions: apart from the one that serves triggers, which they must not hold up."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from shared.errors import ExecutionStopped
from shared.runtime.calls import Job, Outcome, line_of_task, line_of_thread, raise_in_thread

logger = logging.getLogger(__name__)

# How often a loop that has not begun a job is looked at, and how many looks in a row must find it at the same code.
# Fewer would take a thread that waits for its turn in a busy process for one that blocks.
LOOK_EVERY_SECONDS = 0.03
_LOOKS_THAT_CONVINCE = 8


class LoopThread:
    """One event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.jobs: set[TaskJob] = set()
        self.offered: list[TaskJob] = []
        # The loop with a timer set that looks after the jobs offered; in tests there is more than one that serves.
        self.watcher: asyncio.AbstractEventLoop | None = None
        self.blocked = False
        self.retired = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        contextvars.Context().run(self._thread.start)

    @property
    def thread_id(self) -> int | None:
        """The thread's identity."""
        return self._thread.ident

    def running_job(self) -> TaskJob | None:
        """The job whose code the loop executes at this moment."""
        task = asyncio.current_task(self.loop)
        return next((job for job in self.jobs.copy() if job.task is task), None) if task is not None else None

    def finish(self, job: TaskJob) -> None:
        """Forgets a job that has ended; a retired loop ends with its last one."""
        self.jobs.discard(job)
        if self.retired and not self.jobs:
            self.loop.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not (self.retired and not self.jobs):
            try:
                # User code can stop the loop, or raise SystemExit in a task of its own, which asyncio lets through.
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - the loop serves other runs too, and must go on
                logger.warning("A task on a workflow loop raised %s; the loop goes on", type(error).__name__)
        self.loop.close()


class LoopPool:
    """Gives each job to the first loop that can begin it.

    One loop serves all jobs until it is found blocked: then it gets no new ones until it answers again, and the next
    loop is taken, up to `size` of them. A loop blocked for good by a job that was given up is replaced.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.abandoned = 0
        self._loops: list[LoopThread] = []
        self._lock = threading.Lock()
        self._names = itertools.count(1)

    @property
    def running(self) -> int:
        """How many jobs have begun and not ended."""
        return sum(len(thread.jobs) for thread in self._loops)

    @property
    def loops(self) -> int:
        """How many loops there are."""
        return len(self._loops)

    @property
    def blocked(self) -> int:
        """How many loops don't answer."""
        return sum(thread.blocked for thread in self._loops)

    def submit(self, job: TaskJob) -> None:
        """Begins the job on a loop that answers. Called on the loop that serves triggers."""
        with self._lock:
            thread = next((thread for thread in self._loops if not thread.blocked), None) or self._another()
        if thread is None:
            # All are blocked: the first that answers takes it.
            for candidate in list(self._loops):
                job.offer(candidate)
            return
        job.offer(thread)
        thread.offered.append(job)
        if thread.watcher is not asyncio.get_running_loop():
            self._look_later(thread, None, 0)

    def _another(self) -> LoopThread | None:
        if len(self._loops) >= self.size:
            return None
        thread = LoopThread(f"workflow-loop-{next(self._names)}")
        self._loops.append(thread)
        return thread

    def _look_later(self, thread: LoopThread, suspect: TaskJob | None, looks: int) -> None:
        thread.watcher = asyncio.get_running_loop()
        due = thread.watcher.time() + LOOK_EVERY_SECONDS
        thread.watcher.call_at(due, self._look, thread, suspect, looks, due)

    def _look(self, thread: LoopThread, suspect: TaskJob | None, looks: int, due: float) -> None:
        """Looks whether the loop has begun its jobs; what runs at several looks in a row is what blocks it."""
        thread.offered = [job for job in thread.offered if not job.taken]
        thread.watcher = None
        if not thread.offered:
            return
        running = thread.running_job()
        # A look that comes late itself says that the whole process is busy, against which another loop would not help.
        late = asyncio.get_running_loop().time() - due > LOOK_EVERY_SECONDS / 2
        looks = 1 if late or running is not suspect else looks + 1
        if looks < _LOOKS_THAT_CONVINCE and not thread.retired:
            self._look_later(thread, running, looks)
            return
        if not thread.retired:
            thread.blocked = True
            thread.loop.call_soon_threadsafe(_answered, thread)
            if running is not None:
                line = line_of_thread(thread.thread_id) or "an unknown line"
                message = f"{running.label} blocks its event loop at {line}"
                logger.warning("%s; new runs go to another loop", message)
                running.note(message)
        waiting, thread.offered = thread.offered, []
        for job in waiting:
            self.submit(job)

    def give_up(self, job: TaskJob) -> None:
        """Counts the job until it ends; a loop that it blocks is taken out of the pool."""
        with self._lock:
            thread = job.thread
            if job.ended or thread is None:
                return
            job.given_up = True
            self.abandoned += 1
            if thread.running_job() is job and thread in self._loops:
                thread.retired = True
                self._loops.remove(thread)

    def ended(self, job: TaskJob) -> None:
        """Stops counting a job that had been given up."""
        with self._lock:
            job.ended = True
            if job.given_up:
                self.abandoned -= 1


def _answered(thread: LoopThread) -> None:
    thread.blocked = False


class TaskJob(Job):
    """A call of an `async def` function, as a task on one of the loops."""

    def __init__(
        self,
        label: str,
        call: Callable[[], Awaitable[Any]],
        context: contextvars.Context,
        pool: LoopPool,
        note: Callable[[str], None],
    ) -> None:
        super().__init__(label, call, context)
        self.note = note
        self.task: asyncio.Task[Any] | None = None
        self.thread: LoopThread | None = None
        self.taken = False
        self.ended = False
        self.given_up = False
        self._pool = pool
        self._asked = False

    def offer(self, thread: LoopThread) -> None:
        """Has `thread` begin the job, unless another one was quicker."""
        thread.loop.call_soon_threadsafe(self._begin, thread)

    def _begin(self, thread: LoopThread) -> None:
        if not self.taken:
            # Each loop enters a copy: a context can be entered only once at a time.
            thread.loop.create_task(self._run(thread), context=self.context.copy())

    async def _run(self, thread: LoopThread) -> None:
        # Not before its first step has a job begun: tasks that were made in the same turn wait for each other.
        if not self.claim():
            return
        self.task = asyncio.current_task()
        self.thread = thread
        thread.jobs.add(self)
        self.begin()
        self.taken = True
        try:
            outcome = Outcome(value=await self.call())
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its outcome
            outcome = Outcome(error=error, ending="raised")
        self._pool.ended(self)
        thread.finish(self)
        self.deliver(outcome)

    def stop(self) -> None:
        if self.claim():
            self.taken = True
            self.deliver(Outcome(error=ExecutionStopped(), ending="raised"))
            return
        thread, task = self.thread, self.task
        if thread is None or task is None or self.ended:
            return
        if self._asked and thread.running_job() is self:
            # It was asked before and has not given control back since: it blocks the loop.
            assert thread.thread_id is not None
            raise_in_thread(thread.thread_id)
        self._asked = True
        thread.loop.call_soon_threadsafe(task.cancel)

    def abandon(self) -> None:
        self._pool.give_up(self)

    def where(self) -> str | None:
        if self.task is None or self.thread is None or self.ended:
            return None
        if self.thread.running_job() is self:
            return line_of_thread(self.thread.thread_id)
        return line_of_task(self.task)
