"""The exception that asks a call to end: on its way to the code, and in the hands of its clean-up.

Clean-up must not be disturbed, and code that swallows the exception must be asked again. An exception tells the two
apart by how long it lives: `finally`, `except` and `__aexit__` hold it while they work, and let go of it at their end.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import weakref
from collections.abc import Coroutine, Generator
from typing import Any

from shared.errors import ExecutionStopped


class CancelledError(asyncio.CancelledError):
    """As asyncio's, by whose name authors know it; unlike that one it can be watched by a weak reference."""


class Interruption:
    """Of one call.

    Attributes:
        cancelling: whether its task is to be cancelled or was, and the exception has not arrived.
        cancelled: whether its task was.
        raising: whether its thread is to raise, and has not.
    """

    __slots__ = ("_arrived", "cancelled", "cancelling", "raising")

    def __init__(self) -> None:
        self.cancelling = self.cancelled = False
        self.raising = False
        self._arrived: weakref.ref[BaseException] | None = None

    @property
    def is_handled(self) -> bool:
        """Whether the code has got the exception and works with it."""
        return self._arrived is not None and self._arrived() is not None

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancels the call's task, in its loop, if that is still to be done."""
        if self.cancelling:
            self.cancelled = True
            task.cancel()

    def arrive(self, error: BaseException) -> None:
        """Says that the code gets `error` now."""
        self.cancelling = self.cancelled = self.raising = False
        self._arrived = weakref.ref(error)


class Interruptible:
    """Awaits a coroutine, and sees an interruption arrive in it.

    Args:
        coroutine: has not been started.
        interruption: of the call that the coroutine is.
    """

    __slots__ = ("_coroutine", "_interruption")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], interruption: Interruption) -> None:
        self._coroutine = coroutine
        self._interruption = interruption

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, interruption = self._coroutine, self._interruption
        send = coroutine.send
        thrown: list[BaseException] = []
        value: Any = None
        try:
            awaited = send(None)
            while True:
                try:
                    value = yield awaited
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in is the coroutine's
                    thrown.append(error)
                if not thrown:
                    if interruption.cancelled:
                        # What was awaited has swallowed the cancellation, and has come to its end all the same.
                        interruption.cancelling = interruption.cancelled = False
                    awaited = send(value)
                    continue
                if interruption.cancelling and type(thrown[0]) is asyncio.CancelledError:
                    thrown[0] = CancelledError(*thrown[0].args)
                    interruption.arrive(thrown[0])
                # Neither here nor in a handler: who holds the exception is the coroutine alone.
                awaited = coroutine.throw(thrown.pop())
        except StopIteration as stop:
            return stop.value


def raise_in_thread(thread_id: int, interruption: Interruption) -> None:
    """Makes a thread raise `ExecutionStopped` at its next Python instruction, or when it is back from C code.

    https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
    """
    interruption.raising = True
    _expected[thread_id] = interruption
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(_Raised))


def forget_thread() -> None:
    """Says that the current thread has no call any more that could be interrupted."""
    _expected.pop(threading.get_ident(), None)


# By thread: whose exception the thread raises next.
_expected: dict[int, Interruption] = {}


class _Raised(ExecutionStopped):
    def __init__(self) -> None:
        # Python makes it in the thread that raises it, before any handler sees it.
        super().__init__()
        interruption = _expected.pop(threading.get_ident(), None)
        if interruption is not None:
            interruption.arrive(self)


_Raised.__name__ = _Raised.__qualname__ = ExecutionStopped.__name__
_Raised.__module__ = ExecutionStopped.__module__
