"""What nobody catches: the traceback of a dead thread, of a task, of a finalizer belongs in the log of its run."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType, TracebackType
from typing import Any

from shared.logs.buffer import LogBuffer
from shared.logs.scope import current
from shared.logs.streams import OUTPUTS, STREAMS, Replaceable, see_through_scopes

LoopHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


def install() -> None:
    """Puts the hooks in place; to be called once."""
    for module, names in _HOOKS.items():
        for name, add in names.items():
            module.__dict__[name] = _Hook(f"{module.__name__}.{name}", module.__dict__[name], add)
        if module is not sys:
            see_through_scopes(module, names)
    see_through_scopes(sys, (*STREAMS, *_HOOKS[sys]), {f"__{name}__": name for name in OUTPUTS})


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Has a loop that serves many runs tell each of what nobody caught in its tasks and callbacks, and the process
    too; a handler that a run sets there is for it alone.
    """
    # It would be called outside of any run: a task is collected after its last step.
    loop.set_exception_handler(_on_exception)
    loop.set_exception_handler = partial(_set_exception_handler, loop.set_exception_handler, loop)
    loop.get_exception_handler = partial(_exception_handler_here, loop)


def guarded(run: Callable[[], Any]) -> Callable[[], Any]:
    """What a thread of a run is to do, with what it raises told inside of the run."""

    def run_guarded() -> None:
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:  # noqa: BLE001 - a thread ends with anything; this tells of it as Python does
            arguments = (type(error), error, error.__traceback__, threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(arguments))

    return run_guarded


class _Hook(Replaceable):
    """Stands in a module for a function that Python calls, and programs replace.

    Args:
        name: of the function.
        function: the process's.
        add: adds what it is called with to a run's log; None when the process's function writes it there.
    """

    def __init__(self, name: str, function: Callable[..., Any], add: Callable[[LogBuffer, Any], None] | None) -> None:
        super().__init__(name, function, self._call_unreplaced)
        self._add = add

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.here()(*args, **kwargs)

    def _call_unreplaced(self, *args: Any, **kwargs: Any) -> Any:
        scope = current.get()
        buffer = scope.buffer if scope is not None else None
        if buffer is not None and self._add is not None and not buffer.closed:
            self._add(buffer, args[0])
            return None
        return self.process_value(*args, **kwargs)


def _add_thread(buffer: LogBuffer, arguments: threading.ExceptHookArgs) -> None:
    name = arguments.thread.name if arguments.thread is not None else "unknown"
    _add(buffer, f"Exception in thread {name}", arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _add_unraisable(buffer: LogBuffer, arguments: Any) -> None:
    what = arguments.err_msg or "Exception ignored in"
    try:
        where = repr(arguments.object)
    except Exception:  # noqa: BLE001 - an object's own __repr__ may raise anything
        where = f"<{type(arguments.object).__name__}>"
    _add(buffer, f"{what}: {where}", arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _add(
    buffer: LogBuffer,
    what: str,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    message = f"{what}: {''.join(traceback.format_exception_only(kind, error)).strip()}"
    described = "".join(traceback.format_exception(kind, error, trace))
    buffer.add("error", message, "engine", data={"exception": described})


_HOOKS: dict[ModuleType, dict[str, Callable[[LogBuffer, Any], None] | None]] = {
    sys: {"unraisablehook": _add_unraisable, "excepthook": None},
    threading: {"excepthook": _add_thread},
    warnings: {"showwarning": None},
}


def _on_exception(loop: asyncio.AbstractEventLoop, details: dict[str, Any]) -> None:
    context = _context_of(details)
    if context is None:
        loop.default_exception_handler(details)
    else:
        # A copy, since the context itself may be entered at this moment.
        context.copy().run(_in_run, loop, details)


def _in_run(loop: asyncio.AbstractEventLoop, details: dict[str, Any]) -> None:
    handler = _exception_handler_here(loop)
    if handler is not None:
        handler(loop, details)
    else:
        loop.default_exception_handler(details)


def _context_of(details: dict[str, Any]) -> contextvars.Context | None:
    """The context of the task or callback that `loop.call_exception_handler` was told of."""
    for name in ("task", "future", "handle"):
        found: Any = details.get(name)
        if found is None:
            continue
        if hasattr(found, "get_context"):
            return found.get_context()
        # Before Python 3.12 a task does not give it away, and a handle has it without a public name.
        known = getattr(found, "_context", None)
        if known is not None:
            return known
        return next((value for value in gc.get_referents(found) if isinstance(value, contextvars.Context)), None)
    return None


def _exception_handler_here(loop: asyncio.AbstractEventLoop) -> LoopHandler | None:
    scope = current.get()
    return scope.find(loop, "exception_handler", None) if scope is not None else None


def _set_exception_handler(
    set_handler: Callable[[LoopHandler | None], None], loop: asyncio.AbstractEventLoop, handler: LoopHandler | None
) -> None:
    scope = current.get()
    if scope is None:
        set_handler(handler)
    else:
        scope.set(loop, "exception_handler", handler)
