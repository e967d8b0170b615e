"""Event loops for `async def` functions: apart from the one that serves triggers, which they must not hold up."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from shared.logs.hooks import watch_loop
from shared.runtime.calls import Call, Outcome, line_of_coroutine, line_of_thread
from shared.runtime.interruption import Interruptible, raise_in_thread
from shared.runtime.left_tasks import RunTasks

logger = logging.getLogger(__name__)

# Of a function's metadata: which functions share a loop with it, where that is not its own file's alone.
HOME = "home"
# How often a loop that has not begun a call is checked, and how many checks in a row must find it at the same code.
# Fewer would take a thread that waits for its turn in a busy process for one that blocks.
_CHECK_EVERY_SECONDS = 0.03
_CHECKS_TO_CONFIRM = 8
_CHECKS_TO_GIVE_UP = 170  # five seconds


class LoopThread:
    """One event loop in a thread of its own.

    Attributes:
        calls: those that have begun and not ended.
        pending: those that were offered to it, as long as it is not known that they have begun.
        checker: the loop on which a timer checks that the pending ones begin; in tests more than one serves.
        blocked: whether it was found blocked and has not answered since.
        retired: whether it ends with its last call.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        watch_loop(self.loop)
        RunTasks.follow(self.loop)
        self.calls: set[TaskCall] = set()
        self.pending: list[TaskCall] = []
        self.checker: asyncio.AbstractEventLoop | None = None
        self.blocked = False
        self.retired = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        contextvars.Context().run(self._thread.start)

    @property
    def thread_id(self) -> int | None:
        """The thread's identity."""
        return self._thread.ident

    def running_call(self) -> TaskCall | None:
        """The call whose code the loop executes at this moment, be it in a task that the call has made."""
        task = asyncio.current_task(self.loop)
        return next((call for call in self.calls.copy() if call.owns(task)), None) if task is not None else None

    def remove(self, call: TaskCall) -> None:
        """Takes out a call that has ended; a retired loop ends with its last one."""
        self.calls.discard(call)
        if self.retired and not self.calls:
            self.loop.stop()

    def retire(self) -> None:
        """Has the loop end with its last call, or as soon as it answers when it has none."""
        self.retired = True
        # One turn later, so that calls that it was offered have begun here, or know that they have elsewhere.
        self.loop.call_soon_threadsafe(self.loop.call_soon, self._stop_if_unused)

    def _stop_if_unused(self) -> None:
        if not self.calls:
            self.loop.stop()

    def set_blocked(self) -> None:
        """Marks the loop as blocked until it answers."""
        self.blocked = True
        self.loop.call_soon_threadsafe(self._set_unblocked)

    def _set_unblocked(self) -> None:
        self.blocked = False

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not (self.retired and not self.calls):
            try:
                # User code can stop the loop, or raise SystemExit in a task of its own, which asyncio lets through.
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - the loop serves other runs too, and has to continue
                logger.warning("A task on a workflow loop raised %s; the loop continues", type(error).__name__)
        self.loop.close()


class LoopPool:
    """Gives each call to the loop of its home, which is the file that its function is from.

    What a file keeps at module level, such as clients and locks, belongs to the loop that it was first used on. So a
    home keeps its loop, also while one of its calls blocks it, and gets another one only when its own is given up.
    Each home has a loop to itself until there are `size` of them; further ones share.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.abandoned = 0
        self._loops: list[LoopThread] = []
        self._homes: dict[str, LoopThread] = {}
        self._lock = threading.Lock()
        self._names = itertools.count(1)

    @property
    def running(self) -> int:
        """How many calls have begun and not ended."""
        return sum(len(thread.calls) for thread in self._loops)

    @property
    def waiting(self) -> int:
        """How many calls wait for a loop that is blocked."""
        return sum(not call.taken for thread in self._loops if thread.blocked for call in list(thread.pending))

    @property
    def loops(self) -> int:
        """How many loops there are."""
        return len(self._loops)

    @property
    def blocked(self) -> int:
        """How many loops don't answer."""
        return sum(thread.blocked for thread in self._loops)

    def start(self, call: TaskCall) -> None:
        """Has the call begin as soon as its loop answers. Called on the loop that serves triggers."""
        with self._lock:
            thread = self._homes.get(call.home) or self._settle(call.home)
        call.offer(thread)
        thread.pending.append(call)
        if thread.checker is not asyncio.get_running_loop():
            self._check_later(thread, None, 0)

    def _settle(self, home: str) -> LoopThread:
        if len(self._loops) < self.size:
            thread = LoopThread(f"workflow-loop-{next(self._names)}")
            self._loops.append(thread)
        else:
            settled = list(self._homes.values())
            thread = min(self._loops, key=lambda candidate: (candidate.blocked, settled.count(candidate)))
        self._homes[home] = thread
        return thread

    def _check_later(self, thread: LoopThread, suspect: TaskCall | None, checks: int) -> None:
        thread.checker = asyncio.get_running_loop()
        due = thread.checker.time() + _CHECK_EVERY_SECONDS
        thread.checker.call_at(due, self._check, thread, suspect, checks, due)

    def _check(self, thread: LoopThread, suspect: TaskCall | None, checks: int, due: float) -> None:
        """Checks that the loop has begun its calls; what runs at several checks in a row is what blocks it."""
        thread.pending = [call for call in thread.pending if not call.taken]
        thread.checker = None
        if not thread.pending or thread.retired:
            return
        running = thread.running_call()
        # A check that is late itself says that the whole process is busy.
        late = asyncio.get_running_loop().time() - due > _CHECK_EVERY_SECONDS / 2
        checks = 1 if late or running is not suspect else checks + 1
        if checks == _CHECKS_TO_CONFIRM and not thread.blocked:
            thread.set_blocked()
            if running is not None:
                running.on_blocked(line_of_thread(thread.thread_id) or "an unknown line")
        if checks >= _CHECKS_TO_GIVE_UP and running is None:
            # What blocks it is no call, which would be stopped in time: a callback, say, or a library's task.
            self._give_up(thread)
            return
        self._check_later(thread, running, checks)

    def _give_up(self, thread: LoopThread) -> None:
        """Takes a loop out of the pool; its homes settle anew, and the calls that wait for it with them."""
        with self._lock:
            thread.retire()
            self._loops.remove(thread)
            homes = [home for home, settled in self._homes.items() if settled is thread]
            for home in homes:
                del self._homes[home]
        logger.warning(
            "An event loop that is blocked at %s was given up; clients, locks and the like that %s made on it are of no"
            " use to later runs",
            line_of_thread(thread.thread_id) or "an unknown line",
            ", ".join(homes) or "workflows",
        )
        pending, thread.pending = thread.pending, []
        for call in pending:
            if not call.taken:
                self.start(call)

    def abandon(self, call: TaskCall) -> None:
        """Counts the call until it ends; a loop that it blocks is taken out of the pool."""
        with self._lock:
            thread = call.thread
            if call.ended or thread is None:
                return
            call.abandoned = True
            self.abandoned += 1
            blocks = thread.running_call() is call and thread in self._loops
        if blocks:
            self._give_up(thread)

    def end(self, call: TaskCall) -> None:
        """Stops counting a call that had been abandoned."""
        with self._lock:
            call.ended = True
            if call.abandoned:
                self.abandoned -= 1


@dataclass(eq=False, slots=True)
class TaskCall(Call):
    """A call of an `async def` function, as a task on one of the loops.

    Attributes:
        home: the file that the function is from; calls of one home share a loop.
        on_blocked: gets the line at which the call is found to block its loop, for which others wait.
        task: runs the call, since it has begun.
        thread: where the task runs.
    """

    target: Callable[[], Coroutine[Any, Any, Any]]
    _pool: LoopPool
    home: str
    on_blocked: Callable[[str], None]
    task: asyncio.Task[Any] | None = field(default=None, init=False)
    thread: LoopThread | None = field(default=None, init=False)
    _coroutine: Coroutine[Any, Any, Any] | None = field(default=None, init=False)
    _tasks: RunTasks = field(default_factory=RunTasks, init=False)

    def start(self, on_end: Callable[[Outcome], None]) -> None:
        self._on_end = on_end
        self._pool.start(self)

    def offer(self, thread: LoopThread) -> None:
        """Has `thread` begin the call, unless it was withdrawn or is offered to another one, too."""
        thread.loop.call_soon_threadsafe(self._create_task, thread)

    def _create_task(self, thread: LoopThread) -> None:
        if self.taken:
            return
        # Each loop enters a copy: a context can be entered only once at a time.
        thread.loop.create_task(self._run(thread), context=self._tasks.within(self.context.copy()))

    async def _run(self, thread: LoopThread) -> None:
        # Not before its first step has a call begun: tasks that were made in the same turn wait for each other, and
        # when all loops were blocked each of them has one.
        if not self.begin():
            return
        self.task = asyncio.current_task()
        self.thread = thread
        thread.calls.add(self)
        try:
            self._coroutine = self.target()
            outcome = Outcome(value=await Interruptible(self._coroutine, self._interruption))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its outcome
            outcome = Outcome(error=error, ending="raised")
        self._coroutine = None
        self.finishing = True
        self._pool.end(self)
        # Its last step may have cancelled this very task.
        with contextlib.suppress(asyncio.CancelledError):
            outcome.left_tasks = await self._tasks.end()
        thread.remove(self)
        self._on_end(outcome)

    def cancel(self) -> None:
        if self.thread is not None and not self.ended:
            self.interrupted = self._interruption.cancelling = True
            self.thread.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None and not self.ended:
            self._interruption.cancel(self.task)

    def owns(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task is the call's own, or one that its code has made."""
        return task is self.task or task in self._tasks

    def interrupt(self) -> None:
        thread, interruption = self.thread, self._interruption
        if thread is None or self.ended or interruption.is_handled or interruption.raising:
            return
        if thread.running_call() is self:
            # It has not given control back: it blocks the loop.
            assert thread.thread_id is not None
            self.interrupted = True
            raise_in_thread(thread.thread_id, interruption)
        elif not interruption.cancelling:
            self.cancel()

    def abandon(self) -> None:
        self._pool.abandon(self)

    def where(self) -> str | None:
        coroutine = self._coroutine
        if self.thread is None or coroutine is None or self.ended:
            return None
        if self.thread.running_call() is self:
            return line_of_thread(self.thread.thread_id)
        return line_of_coroutine(coroutine)
