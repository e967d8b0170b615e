"""What a run writes reaches its own log, whoever writes it: logging, stdout, stderr, from tasks, threads and executors.

A ContextVar says whose line it is. `install` hooks, once per process, the places that a line passes on its way:
`logging` (see `loggers` and `process_wide`), the standard streams (`streams`), what nobody catches (`hooks`), and the
start of threads and executor work, which do not inherit context variables by themselves before Python 3.14.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as _executor_threads
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from shared.logs import hooks, loggers, process_wide, scope, streams
from shared.logs.buffer import LogBuffer

_install_lock = threading.Lock()
_installed = False

# Threads that runs have started, by their identity as objects, with the log of each run.
_threads: dict[int, LogBuffer] = {}
_thread_start = threading.Thread.start
_executor_submit = ThreadPoolExecutor.submit


def capture_into(buffer: LogBuffer, function: Callable[..., Any] | None = None) -> contextvars.Context:
    """A copy of the current context in which everything written goes to `buffer`.

    Args:
        buffer: the run's log.
        function: what the run calls; what its file has set of logging and streams at its top is in force for the run.
    """
    install()
    context = contextvars.copy_context()
    context.run(scope.current.set, scope.scope_of_run(buffer, function))
    return context


@contextmanager
def importing() -> Generator[None]:
    """To be held while files of a workspace are imported: what their top levels set of logging and streams is kept
    for the runs of each, and what they keep of them reaches the run that uses it.
    """
    install()
    try:
        with scope.importing():
            yield
    finally:
        streams.write_wrappers_through()


def install() -> None:
    """Puts the hooks in place; cheap when they are, and mends the streams where somebody has replaced them since."""
    global _installed
    streams.install()
    if _installed:
        return
    with _install_lock:
        if not _installed:
            loggers.install()
            process_wide.install()
            hooks.install()
            cast("Any", threading.Thread).start = _start
            if not getattr(sys.flags, "thread_inherit_context", 0):
                cast("Any", ThreadPoolExecutor).submit = _submit
            _installed = True


def is_inside_run() -> bool:
    """Whether the code that asks belongs to a run."""
    here = scope.current.get()
    return here is not None and here.buffer is not None


def left_threads() -> int:
    """How many threads go on whose run has ended."""
    return sum(log.closed for log in list(_threads.values()))


def _start(self: threading.Thread) -> None:
    here = scope.current.get()
    # An executor's thread outlives the run that happened to start it; its work carries its own context (`_submit`).
    is_executors = getattr(self, "_target", None) is getattr(_executor_threads, "_worker", None)
    if here is not None and here.buffer is not None and not is_executors:
        _threads[id(self)] = here.buffer
        run = partial(contextvars.copy_context().run, hooks.guarded(self.run))
        self.run = partial(_run_and_forget, id(self), run)
    try:
        _thread_start(self)
    except BaseException:
        # There was no thread to be had, say.
        _threads.pop(id(self), None)
        raise


def _run_and_forget(key: int, run: Callable[[], Any]) -> None:
    try:
        run()
    finally:
        _threads.pop(key, None)


def _submit(self: ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    if is_inside_run():
        fn = partial(contextvars.copy_context().run, fn)
    return _executor_submit(self, fn, *args, **kwargs)
