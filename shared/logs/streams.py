"""The standard streams: a run's output goes to its log, all else where it always went.

In `sys`'s namespace, where `print` and other C code look, stand objects that find out at each write whose it is. Python
code gets, inside of runs and workspace files, streams that do the same, also when they are kept; outside, the
process's own. What a run puts in place of a stream, or closes, is so for it alone: `sys` has a class of its own, whose
attributes of these names are seen through the scope at hand. Other things that a program replaces in modules, such as
`warnings.showwarning`, are held apart in the same way.
"""

from __future__ import annotations

import gc
import io
import sys
import weakref
from collections import deque
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TextIO

from shared.logs.buffer import LogBuffer
from shared.logs.scope import MISSING, current

_current = current.get
OUTPUTS = ("stdout", "stderr")
STREAMS = (*OUTPUTS, "stdin")

_bytes_at_import: list[weakref.ref[RunBytes]] = []


def install() -> None:
    """Puts the streams in place; cheap when they are, and mends them where somebody has replaced them since."""
    namespace = sys.__dict__
    for source in OUTPUTS:
        if type(namespace[source]) is not _Output:
            namespace[source] = _Output(source, namespace[source])
    if type(namespace["stdin"]) is not _Input:
        namespace["stdin"] = _Input("stdin", namespace["stdin"])


def see_through_scopes(module: ModuleType, names: Iterable[str], originals: dict[str, str] | None = None) -> None:
    """Has attributes of a module, which are `Replaceable`, be what is in force for whoever asks.

    Args:
        module: of no class of its own yet, or of one that this function has made.
        names: of the attributes.
        originals: names under which a program finds what another one was at its start.
    """
    if type(module) is not ModuleType:
        return
    attributes: dict[str, Any] = {name: _Attribute(name) for name in names}
    attributes.update({name: _Original(name, of) for name, of in (originals or {}).items()})
    module.__class__ = type(f"_{module.__name__.capitalize()}", (ModuleType,), attributes)


def write_wrappers_through() -> None:
    """Has text streams that a file's top has put around our bytes hand on each write at once: what one run wrote must
    not wait there until another one does. To be called after files were imported.
    """
    while _bytes_at_import:
        content = _bytes_at_import.pop()()
        if content is not None:
            for holder in gc.get_referrers(content):
                if isinstance(holder, io.TextIOWrapper):
                    holder.reconfigure(write_through=True)


class Replaceable:
    """What stands in a module's namespace for something that programs replace.

    Args:
        name: its name there.
        value: the process's own.
        of_run: what a run has that replaces nothing; the process's own where it is left out.
    """

    def __init__(self, name: str, value: Any, of_run: Any = MISSING) -> None:
        self._name = name
        self._of_process = value
        self._of_run = of_run
        self._before: deque[Any] = deque(maxlen=32)

    @property
    def process_value(self) -> Any:
        """The process's own."""
        return self._of_process

    def here(self) -> Any:
        """What is in force for the code at hand."""
        scope = current.get()
        if scope is None:
            return self._of_process
        if scope.altered:
            found = scope.find(Replaceable, self._name, MISSING)
            if found is not MISSING:
                return found
        return self._of_process if self._of_run is MISSING else self._of_run

    def replace(self, value: Any) -> None:
        """Puts something else in force for the code at hand."""
        scope = current.get()
        if value is self or value is self._of_run:
            # Whoever looked into the namespace gives back what was there.
            if scope is not None:
                scope.set(Replaceable, self._name, self._of_process if self._of_run is MISSING else self._of_run)
            elif self._before:
                self._of_process = self._before.pop()
        elif scope is not None:
            if isinstance(value, io.TextIOWrapper):
                value.reconfigure(write_through=True)
            scope.set(Replaceable, self._name, value)
        else:
            if any(value is known for known in self._before):
                while self._before.pop() is not value:
                    pass
            else:
                self._before.append(self._of_process)
            self._of_process = value


class _Attribute:
    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, module: ModuleType | None, owner: type) -> Any:
        if module is None:
            return self
        value = module.__dict__[self._name]
        return value.here() if isinstance(value, Replaceable) else value

    def __set__(self, module: ModuleType, value: Any) -> None:
        known = module.__dict__[self._name]
        if isinstance(known, Replaceable):
            known.replace(value)
        else:
            module.__dict__[self._name] = value


class _Original:
    """`sys.__stdout__`: a run that puts it back has its own stream again."""

    def __init__(self, name: str, of: str) -> None:
        self._name = name
        self._of = of

    def __get__(self, module: ModuleType | None, owner: type) -> Any:
        if module is None:
            return self
        stream = module.__dict__[self._of]
        if current.get() is not None and isinstance(stream, _Output):
            return stream.run_stream
        return module.__dict__[self._name]

    def __set__(self, module: ModuleType, value: Any) -> None:
        module.__dict__[self._name] = value


class _Output(Replaceable):
    """What `print` and C code find as `stdout` or `stderr`."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.run_stream = RunOutput(name, self)
        super().__init__(name, stream, self.run_stream)

    def write(self, text: str) -> int:
        scope = _current()
        if scope is not None and scope.buffer is not None and not scope.altered:
            # What most lines are, without a way round.
            scope.buffer.write(self._name, text)
            return len(text)
        stream = self.here()
        return stream.write(text) if stream is not None else len(text)

    def flush(self) -> None:
        stream = self.here()
        if stream is not None:
            stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.here(), name)


class _Input(Replaceable):
    """What `input` finds as `stdin`."""

    def __init__(self, name: str, stream: TextIO) -> None:
        super().__init__(name, stream, RunInput(stream))

    def __iter__(self) -> Any:
        return iter(self.here())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.here(), name)


class RunOutput(io.TextIOBase):
    """A standard stream as runs have it. Whoever keeps it writes to the log of the run that writes."""

    def __init__(self, source: str, front: Replaceable) -> None:
        self._source = source
        self._front = front

    def _buffer(self) -> LogBuffer | None:
        """The log of the run at hand.

        Raises:
            ValueError: the run has closed the stream.
        """
        scope = current.get()
        if scope is None or scope.buffer is None:
            return None
        if scope.altered and scope.find(self, "closed", False):
            raise ValueError("I/O operation on closed file.")
        return scope.buffer

    def _process_stream(self) -> TextIO | None:
        """Where output goes that is no run's; None when it is dropped."""
        scope = current.get()
        return None if scope is not None and scope.muted else self._front.process_value

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - who tries bytes must be told
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        buffer = self._buffer()
        if buffer is not None:
            buffer.write(self._source, text)
            return len(text)
        stream = self._process_stream()
        return stream.write(text) if stream is not None else len(text)

    def write_bytes(self, content: bytes) -> None:
        """Takes text in UTF-8, which may end within a character."""
        buffer = self._buffer()
        if buffer is not None:
            buffer.write_bytes(self._source, content)
            return
        stream = self._process_stream()
        raw = getattr(stream, "buffer", None)
        if raw is not None:
            raw.write(content)
        elif stream is not None:
            stream.write(content.decode("utf-8", "backslashreplace"))

    def writelines(self, lines: Iterable[str], /) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - the stubs allow bytes
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._buffer() is None:
            stream = self._process_stream()
            if stream is not None:
                stream.flush()

    def close(self) -> None:
        scope = current.get()
        if scope is not None and scope.buffer is not None:
            scope.set(self, "closed", True)

    @property
    def closed(self) -> bool:
        scope = current.get()
        return scope is not None and bool(scope.find(self, "closed", False))

    def detach(self) -> io.BufferedIOBase:  # pyright: ignore[reportIncompatibleMethodOverride]
        return RunBytes(self)

    @property
    def buffer(self) -> io.BufferedIOBase:
        return RunBytes(self)

    def reconfigure(self, **options: Any) -> None:
        """Takes what a text stream does; all of it stays as it is."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._front.process_value.fileno()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - a plain attribute in the stubs
        return "utf-8"

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - as above
        return "backslashreplace"

    @property
    def name(self) -> str:
        return f"<{self._source}>"

    mode = "w"
    line_buffering = True
    write_through = True


class RunBytes(io.BufferedIOBase):
    """The `buffer` of a standard stream. To close it closes this object alone, since whatever is put around it does so
    when it is collected.
    """

    def __init__(self, stream: RunOutput) -> None:
        self._stream = stream
        scope = current.get()
        if scope is not None and scope.is_import:
            _bytes_at_import.append(weakref.ref(self))

    def write(self, content: Any, /) -> int:
        if isinstance(content, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        data = bytes(content)
        self._stream.write_bytes(data)
        return len(data)

    def flush(self) -> None:
        if not self.closed:
            self._stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def name(self) -> str:
        return self._stream.name

    mode = "wb"


class RunInput(io.TextIOBase):
    """`stdin` as runs have it: at its end, so that `input()` raises and doesn't wait for ever."""

    def __init__(self, process_stream: TextIO | None) -> None:
        self._encoding = getattr(process_stream, "encoding", None) or "utf-8"

    def read(self, _size: int | None = -1, /) -> str:
        return ""

    def readline(self, _size: int = -1, /) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ""

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing of the process's is closed."""

    @property
    def buffer(self) -> io.BytesIO:
        return io.BytesIO()

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - a plain attribute in the stubs
        return self._encoding

    @property
    def name(self) -> str:
        return "<stdin>"

    mode = "r"
