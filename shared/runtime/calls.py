"""A call of user code while it runs: what every kind of it has in common, and how it is asked to end.

`Call` is the call itself, of which there are two kinds, in `threads` and `loops`; `Outcome` is what it came to.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.errors import ExecutionStopped
from shared.logs.origin import is_user_code
from shared.runtime.interruption import Interruption
from shared.runtime.places import shown_file

Ending = Literal["returned", "raised", "timeout", "cancelled"]
StopReason = Literal["timeout", "cancelled"]


@dataclass(slots=True)
class Outcome:
    """What a call of user code came to.

    Attributes:
        value: what it returned.
        error: what it raised.
        ending: how it ended; `timeout` and `cancelled` when it was told to stop.
        abandoned: whether it did not stop when told to, and still runs without anybody waiting for it.
        where: the line of user code at which it stood when it was told to stop, or hangs.
        left_tasks: the tasks that it left running, by name and line; they were cancelled.
    """

    value: Any = None
    error: BaseException | None = None
    ending: Ending = "returned"
    abandoned: bool = False
    where: str | None = None
    left_tasks: Sequence[str] = ()


@dataclass(eq=False, slots=True)
class Call(ABC):
    """One call of user code. It knows nothing of who waits for it: it tells `on_end`, in the thread that it ends in.

    Attributes:
        target: what to call, without arguments.
        context: the context variables that it sees.
        taken: whether it has begun, or was withdrawn and never will.
        started_at: when it began, by `time.monotonic`; None while it waits for a thread or loop.
        interrupted: whether it was given the exception that asks it to end.
        finishing: whether its code came to its end, and what that has left is cleaned up.
        ended: whether it came to its end.
        abandoned: whether whoever ran it was replaced.
    """

    target: Callable[[], Any]
    context: contextvars.Context
    taken: bool = field(default=False, init=False)
    started_at: float | None = field(default=None, init=False)
    interrupted: bool = field(default=False, init=False)
    finishing: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)
    abandoned: bool = field(default=False, init=False)
    _on_end: Callable[[Outcome], None] = field(init=False)
    _interruption: Interruption = field(default_factory=Interruption, init=False)
    _take_lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self) -> bool:
        """Whether the call is the asker's, to begin or to withdraw it; True once."""
        self.taken = True
        return self._take_lock.acquire(blocking=False)

    def begin(self) -> bool:
        """Takes the call and marks the start of the time that it may take; False when it was taken before."""
        if not self.take():
            return False
        self.started_at = time.monotonic()
        return True

    @abstractmethod
    def start(self, on_end: Callable[[Outcome], None]) -> None:
        """Has the call begin as soon as there is a thread or loop for it.

        Args:
            on_end: gets the outcome, once, in whatever thread it is known; must not raise.
        """

    def withdraw(self) -> bool:
        """Ends a call that has not begun, as one that was stopped; False when it has."""
        if not self.take():
            return False
        self._on_end(Outcome(error=ExecutionStopped(), ending="raised"))
        return True

    @abstractmethod
    def cancel(self) -> None:
        """Cancels a coroutine as soon as it gives control back; other code is left alone."""

    @abstractmethod
    def interrupt(self) -> None:
        """Gives the code the exception that asks it to end: once, and again when it swallowed the last one.

        Code that still handles the exception, which is clean-up, is left alone; so is code that it has not reached yet.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Replaces whoever runs the call, and counts it as abandoned until it ends."""

    @abstractmethod
    def where(self) -> str | None:
        """The line of user code at which the call stands now."""


class StopSignal:
    """Asks a run to end; may be given from any thread, and before the run begins.

    Attributes:
        requested: whether the run was asked to end.
        seen: whether the run's code looks for it, and so may end in its own way.
    """

    def __init__(self) -> None:
        self.requested = False
        self.seen = False
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def request(self) -> None:
        """Asks the run to end."""
        with self._lock:
            self.requested = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once, in the thread that asks; at once when somebody has asked already."""
        with self._lock:
            if not self.requested:
                self._listeners.append(listener)
                return
        listener()


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


def line_of_coroutine(coroutine: Coroutine[Any, Any, Any]) -> str | None:
    """The innermost line of user code in a coroutine that waits."""
    # Its stack is the chain of coroutines of which each awaits the next; the innermost one is what it waits in.
    waiting: Any = coroutine
    frames: list[types.FrameType] = []
    while waiting is not None and getattr(waiting, "cr_frame", None) is not None:
        frames.append(waiting.cr_frame)
        waiting = waiting.cr_await
    return next((line for line in map(line_of_frame, reversed(frames)) if line is not None), None)


def describe_line(filename: str, line: int, function: str) -> str:
    """A place in user code, by the file's path below the workspace."""
    return f"{shown_file(filename)}:{line} in {function}"
