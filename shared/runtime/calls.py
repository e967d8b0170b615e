"""A call of user code while it runs: what every kind of it has in common, and how its end is told.

`Outcome` is what a call came to; `Job` is the call itself, of which there are two kinds, in `threads` and `loops`.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import sys
import threading
import time
import types
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.errors import ExecutionStopped

Ending = Literal["returned", "raised", "timeout", "cancelled"]
StopReason = Literal["timeout", "cancelled"]

_APP_FILES = str(Path(__file__).resolve().parent.parent)


@dataclass(slots=True)
class Outcome:
    """What a call of user code came to.

    Attributes:
        value: what it returned.
        error: what it raised.
        ending: how it ended; `timeout` and `cancelled` when it was told to stop.
        abandoned: whether it did not stop when told to, and goes on without anybody waiting for it.
        where: the line of user code at which it stood when it was told to stop, or hangs.
    """

    value: Any = None
    error: BaseException | None = None
    ending: Ending = "returned"
    abandoned: bool = False
    where: str | None = None


class Job(ABC):
    """One call of user code.

    Args:
        label: the function's name, for messages.
        call: what to call, without arguments.
        context: the context variables that it sees.
    """

    def __init__(self, label: str, call: Callable[[], Any], context: contextvars.Context) -> None:
        self.label = label
        self.call = call
        self.context = context
        self.started_at: float | None = None
        self._claim = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[Outcome] | None = None

    def expect(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Outcome]:
        """The future, on the caller's loop, that gets the outcome."""
        self._loop = loop
        self._future = loop.create_future()
        return self._future

    def claim(self) -> bool:
        """Takes the job; true for the first who asks, so that it runs once or, when it is withdrawn, never."""
        return self._claim.acquire(blocking=False)

    def deliver(self, outcome: Outcome) -> None:
        """Hands the outcome to the caller's loop, from any thread; a second one is dropped."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._settle, outcome)
        except RuntimeError:
            # The caller's loop was closed: nobody waits any more.
            return

    def _settle(self, outcome: Outcome) -> None:
        assert self._future is not None
        if not self._future.done():
            self._future.set_result(outcome)

    def begin(self) -> None:
        """Marks the start of the time that the job may take."""
        self.started_at = time.monotonic()

    @abstractmethod
    def stop(self) -> None:
        """Asks the code to stop; may be called again while it does not."""

    @abstractmethod
    def abandon(self) -> None:
        """Gives the job up: whoever ran it is replaced, and counted until it ends."""

    @abstractmethod
    def where(self) -> str | None:
        """The line of user code at which the job stands now."""


class StopSignal:
    """Somebody's wish that a run ends; may be given from any thread, and before the run begins."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Whether the run was asked to end."""
        return self._requested.is_set()

    def request(self) -> None:
        """Asks the run to end."""
        with self._lock:
            self._requested.set()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once, in the thread that asks; at once when somebody has asked already."""
        with self._lock:
            if not self._requested.is_set():
                self._listeners.append(listener)
                return
        listener()


def raise_in_thread(thread_id: int) -> None:
    """Makes a thread raise `ExecutionStopped` at its next Python instruction, or when it is back from C code.

    https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(ExecutionStopped))


def line_of_thread(thread_id: int | None) -> str | None:
    """The innermost line of user code in a thread."""
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] - documented, for this purpose
    frame = frames.get(thread_id) if thread_id is not None else None
    return line_of_frame(frame)


def line_of_frame(frame: types.FrameType | None) -> str | None:
    """The innermost line of user code from a frame outwards, as `file:line in function`; None when there is none."""
    while frame is not None:
        if is_user_code(frame.f_code.co_filename):
            return describe_line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def line_of_task(task: asyncio.Task[Any]) -> str | None:
    """The innermost line of user code in a task that waits."""
    # A waiting task's stack is that of its coroutine chain; the innermost one is what it waits in.
    coroutine: Any = task.get_coro()
    frames: list[types.FrameType] = []
    while coroutine is not None and getattr(coroutine, "cr_frame", None) is not None:
        frames.append(coroutine.cr_frame)
        coroutine = coroutine.cr_await
    return next((line for line in map(line_of_frame, reversed(frames)) if line is not None), None)


def describe_line(filename: str, line: int, function: str) -> str:
    """A place in user code, by the file's name alone."""
    return f"{Path(filename).name}:{line} in {function}"


def is_user_code(filename: str) -> bool:
    """Whether a file is neither the platform's, nor the standard library's, nor a dependency's."""
    platform = filename.startswith((_APP_FILES, _STANDARD_LIBRARY, "<frozen "))
    return not platform and "/site-packages/" not in filename.replace("\\", "/")


_STANDARD_LIBRARY = str(Path(threading.__file__).resolve().parent)
