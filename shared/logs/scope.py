"""Who writes, and what they have set: the run, or the file under import, that the code at hand belongs to.

What an author sets of logging and of the standard streams lies in a `Layer`: of the run that sets it, or of the file
whose top level does. A run sees its own layer, then those of its function's file and of the modules that this imports.
Beneath lies what a fresh Python has: the process's own handlers, levels and streams are not seen, so that nothing that
an author does can harm them. What a library sets when it is imported is no author's: of its own loggers it is the
process's, as it always was, and all else is left out.
"""

from __future__ import annotations

import contextvars
import importlib.util
import logging
import re
import sys
import types
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from shared.logs.buffer import LogBuffer
from shared.logs.origin import OWN, origin_of

MISSING: Any = object()
# In the globals of a module: what its top level has set; and which such layers are in force for its functions, with
# the number of files that had one when this was worked out. Versions of a module so keep theirs apart.
_LAYER = "__log_layer__"
_IN_FORCE = "__log_layers_in_force__"
_FROM = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+import\b", re.MULTILINE)

Layer = dict[tuple[Any, Any], Any]
"""Values, by what they belong to (a logger, a module) and their name there."""

current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("log_scope", default=None)

_nothing_set: Layer = {}
# How many files have set something so far; what follows from them is worked out again when there are more.
_files_with_layers = 0


class Scope:
    """One run, or the import of the workspace, as the hooks of logging and streams see it.

    Args:
        buffer: where a run's lines go; None for an import, whose lines are the process's.
        layers: what is in force for it, the nearest first; None for an import, where that depends on the file.

    Attributes:
        altered: whether anything is set.
        levels: by logger, as `shared.logs.loggers` works them out; emptied when something is set.
        muted: whether what is written to a standard stream is dropped: an author's handler prints what is kept already.
    """

    __slots__ = ("_layers", "_muted", "altered", "buffer", "levels", "muted")

    def __init__(self, buffer: LogBuffer | None, layers: tuple[Layer, ...] | None) -> None:
        self.buffer = buffer
        self._layers = layers
        self._muted: Scope | None = None
        self.altered = layers is None or any(layers)
        self.levels: dict[logging.Logger, tuple[int, int, int]] = {}
        self.muted = False

    @property
    def is_import(self) -> bool:
        """Whether it is no run's."""
        return self._layers is None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is in force here, the nearest first."""
        if self._layers is not None:
            return self._layers
        return (self._layer_of_caller() or _nothing_set,)

    def find(self, owner: Any, name: Any, default: Any) -> Any:
        """What is set here, or `default`."""
        if self.altered:
            key = (owner, name)
            for layer in self.layers:
                if key in layer:
                    return layer[key]
        return default

    def set(self, owner: Any, name: Any, value: Any) -> bool:
        """Sets it for whoever the code at hand belongs to: this run, or a file.

        Returns:
            Whether it did; not for a library that is being imported.
        """
        layer = self._layer_of_caller(make=True)
        if layer is None:
            return False
        layer[owner, name] = value
        if self._layers is not None and not any(layer is known for known in self._layers):
            # A run has imported the module for the first time.
            self._layers = (self._layers[0], layer, *self._layers[1:])
        self.altered = True
        self.levels.clear()
        return True

    def list_of(self, owner: Any, name: str) -> list[Any] | None:
        """A list that the caller may change in place, without changing what others see; None for a library that is
        being imported.
        """
        layer = self._layer_of_caller()
        if layer is not None and (owner, name) not in layer:
            self.set(owner, name, list(self.find(owner, name, ())))
            layer = self._layer_of_caller()
        return layer[owner, name] if layer is not None else None

    def muting(self) -> Scope:
        """The same without its streams."""
        if self._muted is None or self._layers is None:
            self._muted = Scope(None, self.layers)
            self._muted.muted = True
        return self._muted

    def _layer_of_caller(self, *, make: bool = False) -> Layer | None:
        frame: types.FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage] - documented, for this purpose
        while frame is not None:
            code = frame.f_code
            if code.co_name == "<module>" and not code.co_filename.startswith("<"):
                if origin_of(code.co_filename) is not OWN:
                    return None
                return _layer_of_module(frame.f_globals) if make else frame.f_globals.get(_LAYER, _nothing_set)
            frame = frame.f_back
        return self._layers[0] if self._layers is not None else None


def scope_of_run(buffer: LogBuffer, function: Callable[..., Any] | None) -> Scope:
    """The scope of a new run.

    Args:
        buffer: takes its lines.
        function: what it calls: what was set at the top of its file, and of the modules that it imports, is in force.
    """
    files = _layers_of_files(function) if _files_with_layers else ()
    return Scope(buffer, ({}, *files))


@contextmanager
def importing() -> Generator[None]:
    """Inside the block, what a file's top level sets of logging and streams is kept for the runs of that file."""
    token = current.set(Scope(None, None))
    try:
        yield
    finally:
        current.reset(token)


def _layer_of_module(namespace: dict[str, Any]) -> Layer:
    global _files_with_layers
    if _LAYER not in namespace:
        namespace[_LAYER] = {}
        _files_with_layers += 1
    return namespace[_LAYER]


def _layers_of_files(function: Callable[..., Any] | None) -> tuple[Layer, ...]:
    while hasattr(function, "__wrapped__"):
        function = cast("Any", function).__wrapped__
    start: dict[str, Any] | None = getattr(function, "__globals__", None)
    if start is None:
        return ()
    files, layers = start.get(_IN_FORCE, (0, ()))
    if files != _files_with_layers:
        files, layers = _files_with_layers, tuple(_layers_from(start))
        start[_IN_FORCE] = (files, layers)
    return layers


def _layers_from(start: Mapping[str, Any]) -> Iterator[Layer]:
    seen: set[int] = set()
    to_see = [start]
    while to_see:
        namespace = to_see.pop(0)
        file = namespace.get("__file__")
        if id(namespace) in seen or not isinstance(file, str) or origin_of(file) is not OWN:
            continue
        seen.add(id(namespace))
        if _LAYER in namespace:
            yield namespace[_LAYER]
        to_see.extend(_imported_by(namespace))


def _imported_by(namespace: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The namespaces of modules that a module has imported, or has something from."""
    has_loggers = False
    for value in list(namespace.values()):
        if isinstance(value, types.ModuleType):
            yield vars(value)
        elif isinstance(value, types.FunctionType):
            yield value.__globals__
        elif isinstance(value, type) and value.__module__ in sys.modules:
            yield vars(sys.modules[value.__module__])
        has_loggers = has_loggers or isinstance(value, logging.Logger)
    if has_loggers:
        # Nothing about a logger says which module it was imported from.
        yield from (vars(sys.modules[name]) for name in _named_in(namespace) if name in sys.modules)


def _named_in(namespace: Mapping[str, Any]) -> Iterator[str]:
    try:
        source = Path(namespace["__file__"]).read_text("utf-8", "replace")
    except OSError:  # deleted since it was loaded
        return
    for name in _FROM.findall(source):
        try:
            yield importlib.util.resolve_name(name, namespace.get("__package__"))
        except ImportError:  # beyond the top: the statement itself has failed
            continue
