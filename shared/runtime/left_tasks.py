"""The asyncio tasks that a run's own code makes: those that it leaves behind end with it.

A task that a library made is left alone: what a file keeps at module level, such as a client with a reader of its own,
is there for the runs that follow. Those are counted, as are tasks that don't end when they are cancelled.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from typing import Any

from shared.logs.origin import is_user_code
from shared.runtime.calls import describe_line

# How long the tasks that a run leaves may take to clean up.
END_SECONDS = 1.0
_SHOWN = 10

_current: contextvars.ContextVar[RunTasks | None] = contextvars.ContextVar("run_tasks", default=None)
_left: set[asyncio.Task[Any]] = set()


class RunTasks:
    """The tasks of one run that have not ended."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @staticmethod
    def follow(loop: asyncio.AbstractEventLoop) -> None:
        """Has the loop tell each run of the tasks that its code makes there."""
        loop.set_task_factory(_make_task)

    def within(self, context: contextvars.Context) -> contextvars.Context:
        """The context, in which the tasks are this run's."""
        context.run(_current.set, self)
        return context

    def add(self, task: asyncio.Task[Any]) -> None:
        """Says that the run has made a task."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __contains__(self, task: asyncio.Task[Any]) -> bool:
        return task in self._tasks

    async def end(self) -> list[str]:
        """Cancels the tasks of the run's own code and waits for them, `END_SECONDS` at most; in the run's last step.

        Returns:
            Those that it found, by name and line.
        """
        if not self._tasks:
            return []
        for task in list(self._tasks):
            _left.add(task)
            task.add_done_callback(_left.discard)
        own = [task for task in self._tasks if _line_of(task) is not None and task is not asyncio.current_task()]
        described = [f"{task.get_name()} ({_line_of(task)})" for task in own[:_SHOWN]]
        if len(own) > _SHOWN:
            described.append(f"{len(own) - _SHOWN} more")
        for task in own:
            task.cancel()
        if own:
            done, _ = await asyncio.wait(own, timeout=END_SECONDS)
            for task in done:
                # Whoever made the task will not look at what it came to.
                error = None if task.cancelled() else task.exception()
                if error is not None:
                    described.append(f"{task.get_name()} raised {type(error).__name__} when it was cancelled")
        return described


def left_tasks() -> int:
    """How many tasks of runs that have ended go on."""
    # A loop that was closed calls nobody back.
    _left.difference_update([task for task in list(_left) if task.done()])
    return len(_left)


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    run = _current.get()
    if run is not None:
        run.add(task)
    return task


def _line_of(task: asyncio.Task[Any]) -> str | None:
    """The line of user code at which the task's own coroutine begins; None for one of a library."""
    code = getattr(task.get_coro(), "cr_code", None)
    if code is None or not is_user_code(code.co_filename):
        return None
    return describe_line(code.co_filename, code.co_firstlineno, code.co_qualname)
