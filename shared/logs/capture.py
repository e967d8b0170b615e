"""What a run writes reaches its own log, whoever writes it: logging, stdout, stderr, from tasks, threads and executors.

A ContextVar says whose line it is. `install` hooks, once per process, the places that a line passes on its way:
`Logger.isEnabledFor` and `Logger.callHandlers`, `sys.stdout` and `sys.stderr`, and the start of threads and executor
work, which do not inherit context variables by themselves before Python 3.14. (A handler on the root logger would see
neither what a level check drops nor the loggers that don't propagate, and a `logging.basicConfig(force=True)` would
remove it.) Outside of runs everything goes its old way, and inside of runs the process's own handlers and levels still
decide what they emit.
"""

from __future__ import annotations

import contextvars
import io
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as _executor_threads
from functools import partial
from typing import Any, TextIO, cast

from shared.logs.buffer import LogBuffer
from shared.logs.masking import SecretMask

# The lines of these are the platform's and the SDKs' own; below WARNING a run's log gets them only where the process
# would.
_INTERNAL_LOGGERS = (
    "shared",
    "functions",
    "azure",
    "azure_functions_worker",
    "azure_functions_runtime",
    "aiohttp",
    "asyncio",
)

_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"}

_current: contextvars.ContextVar[LogBuffer | None] = contextvars.ContextVar("execution_log", default=None)

_install_lock = threading.Lock()
_installed = False

_logger_is_enabled_for = logging.Logger.isEnabledFor
_logger_call_handlers = logging.Logger.callHandlers
_thread_start = threading.Thread.start
_executor_submit = ThreadPoolExecutor.submit


def capture_into(buffer: LogBuffer) -> contextvars.Context:
    """A copy of the current context in which everything written goes to `buffer`."""
    install()
    context = contextvars.copy_context()
    context.run(_current.set, buffer)
    return context


def is_inside_run() -> bool:
    """Whether the code that asks belongs to a run."""
    return _current.get() is not None


def install() -> None:
    """Puts the hooks in place; cheap when they are, and mends the streams where somebody has replaced them since."""
    global _installed
    if not _installed:
        with _install_lock:
            if not _installed:
                # The stubs know these as plain methods, and a patch as an error.
                target: Any = logging.Logger
                target.isEnabledFor = _is_enabled_for
                target.callHandlers = _call_handlers
                if not getattr(sys.flags, "thread_inherit_context", 0):
                    cast("Any", threading.Thread).start = _start
                    cast("Any", ThreadPoolExecutor).submit = _submit
                _installed = True
    if type(sys.stdout) is not _OutputStream:
        sys.stdout = cast("TextIO", _OutputStream(sys.stdout, "stdout"))
    if type(sys.stderr) is not _OutputStream:
        sys.stderr = cast("TextIO", _OutputStream(sys.stderr, "stderr"))
    if type(sys.stdin) is not _InputStream:
        sys.stdin = cast("TextIO", _InputStream(sys.stdin))


def _is_enabled_for(self: logging.Logger, level: int) -> bool:
    if _current.get() is not None and not self.disabled and (level >= logging.WARNING or not _is_internal(self.name)):
        return True
    return _logger_is_enabled_for(self, level)


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    buffer = _current.get()
    if buffer is None:
        _logger_call_handlers(self, record)
        return
    _add_record(buffer, record)
    if _logger_is_enabled_for(self, record.levelno):
        if not buffer.mask.empty:
            record = _masked(buffer.mask, record)
        # What the process's handlers print is the process's own output, and would else be captured a second time.
        token = _current.set(None)
        try:
            _logger_call_handlers(self, record)
        finally:
            _current.reset(token)


def _is_internal(name: str) -> bool:
    return name.partition(".")[0] in _INTERNAL_LOGGERS


def _add_record(buffer: LogBuffer, record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception as error:  # noqa: BLE001 - formatting calls the arguments' own __str__, which may raise anything
        message = f"{record.msg!s} (its arguments can't be formatted: {type(error).__name__})"
    fields = record.__dict__
    data = {key: fields[key] for key in fields if key not in _STANDARD_FIELDS} if len(fields) > _USUAL_FIELDS else {}
    if record.exc_info:
        data["exception"] = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        data["stack"] = record.stack_info
    level = _LEVELS.get(record.levelname) or _level_name(record.levelno)
    buffer.add(level, message, "logger", logger=record.name, data=data or None, created=record.created)


def _masked(mask: SecretMask, record: logging.LogRecord) -> logging.LogRecord:
    """The record as the process's own handlers may have it; the one that it came as is the run's."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - formatting calls the arguments' own __str__, which may raise anything
        message = str(record.msg)
    fields = {
        name: mask.text(value) if isinstance(value, str) and name not in _STANDARD_FIELDS else value
        for name, value in record.__dict__.items()
    }
    copy = logging.makeLogRecord({**fields, "msg": mask.text(message), "args": None})
    if record.exc_info:
        copy.exc_text, copy.exc_info = mask.text(logging.Formatter().formatException(record.exc_info)), None
    return copy


# What LogRecord itself sets; `extra` can only add to that. (3.12 added taskName.)
_USUAL_FIELDS = len(logging.makeLogRecord({}).__dict__)


def _level_name(level: int) -> str:
    for bound, name in ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning")):
        if level >= bound:
            return name
    return "info" if level >= logging.INFO else "debug"


def _start(self: threading.Thread) -> None:
    # An executor's thread outlives the run that happened to start it; its work carries its own context (`_submit`).
    if _current.get() is not None and getattr(self, "_target", None) is not getattr(_executor_threads, "_worker", None):
        self.run = partial(contextvars.copy_context().run, self.run)
    _thread_start(self)


def _submit(self: ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    if _current.get() is not None:
        fn = partial(contextvars.copy_context().run, fn)
    return _executor_submit(self, fn, *args, **kwargs)


class _OutputStream:
    """Stands before a standard stream: a run's output goes to its log, everything else to the stream."""

    def __init__(self, stream: TextIO, source: str) -> None:
        self._stream = stream
        self._source = source

    def write(self, text: str) -> int:
        buffer = _current.get()
        if buffer is None:
            return self._stream.write(text)
        buffer.write(self._source, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _current.get() is None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _InputStream:
    """Stands before stdin: a run reads the end of the input, so that `input()` raises and doesn't wait for ever."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def readline(self, size: int = -1) -> str:
        return self._reader.readline(size)

    def read(self, size: int | None = -1) -> str:
        return self._reader.read(size)

    def __iter__(self) -> Any:
        return iter(self._reader)

    @property
    def _reader(self) -> Any:
        return self._stream if _current.get() is None else io.StringIO("")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
