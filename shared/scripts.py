"""Inline scripts: from base64 to compiled code, and from the finished run's globals to its variables."""

from __future__ import annotations

import ast
import base64
import binascii
import builtins
import copy
import hashlib
import inspect
import linecache
import threading
import types
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from shared.context import ExecutionContext
from shared.errors import FieldError, InvalidInputError
from shared.serialization import to_json

MAX_CACHED_SCRIPTS = 256
DEFAULT_SCRIPT_NAME = "script"
_PLAIN = frozenset({str, int, float, bool, type(None), list, dict})


@dataclass(frozen=True, slots=True)
class Script:
    """A compiled script. `filename` is what tracebacks and `__file__` show."""

    code: types.CodeType
    filename: str


class _ScriptCache(LRUCache[tuple[str, str], Script]):
    """Compiled scripts by the hash of their code and their name; one that is evicted leaves linecache, too."""

    def popitem(self) -> tuple[tuple[str, str], Script]:
        key, script = super().popitem()
        linecache.cache.pop(script.filename, None)
        return key, script


_cache = _ScriptCache(MAX_CACHED_SCRIPTS)
_cache_lock = threading.Lock()


def compile_script(code: str, name: str) -> Script:
    """Decodes and compiles a script; the same code is compiled once.

    Args:
        code: base64 of UTF-8 Python source.
        name: the script's display name.

    Raises:
        InvalidInputError: it is no base64, no UTF-8 or no Python; then with the line.
    """
    key = (hashlib.sha256(code.encode("utf-8", "replace")).hexdigest(), name)
    with _cache_lock:
        script = _cache.get(key)
        if script is not None:
            return script
    source = _decode(code)
    filename = f"<{name} {key[0][:8]}>"
    script = Script(_compile(source, filename), filename)
    with _cache_lock:
        _cache[key] = script
        # Tracebacks and the record of a failure read the lines from here.
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return script


def _decode(code: str) -> str:
    try:
        raw = base64.b64decode("".join(code.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("base64", "The code is no base64") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid("utf8", f"The code is no UTF-8: byte {error.start} after decoding base64") from None


def _compile(source: str, filename: str) -> types.CodeType:
    try:
        return compile(source, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise _invalid("syntax", f"The code is no Python: {error.msg} (line {error.lineno})", error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _invalid("syntax", f"The code can't be compiled: {type(error).__name__}") from None


def _invalid(kind: str, message: str, line: int | None = None) -> InvalidInputError:
    location: list[str | int] = ["code"] if line is None else ["code", line]
    return InvalidInputError(message, [FieldError(loc=location, type=f"script_{kind}", msg=message)])


def check_script_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuses parameters that can't be globals of a script.

    Raises:
        InvalidInputError: names each of them.
    """
    errors = [
        FieldError(loc=[name], type="reserved_name", msg=f"A script's parameter can't be called {name!r}")
        for name in parameters
        if name == "context" or name.startswith("__")
    ]
    if errors:
        raise InvalidInputError("The parameters are not valid", errors)


class ScriptRun:
    """One run of a script: a module namespace of its own, and what its variables are at the end."""

    def __init__(self, script: Script, context: ExecutionContext, parameters: Mapping[str, Any]) -> None:
        self._script = script
        self._parameters = dict(parameters)
        # A script may change a list that it was given, and only an unchanged parameter is no variable.
        self._before = copy.deepcopy(self._parameters)
        self._globals: dict[str, Any] = {
            "__name__": "__main__",
            "__file__": script.filename,
            "__builtins__": builtins,
            **self._parameters,
            "context": context,
        }
        self._context = context

    def start(self) -> Coroutine[Any, Any, Any] | None:
        """Runs the script in the current thread; one with a top-level `await` comes back as a coroutine to be run."""
        if self._script.code.co_flags & inspect.CO_COROUTINE:
            return _as_coroutine(eval(self._script.code, self._globals))  # noqa: S307 - running code is what a script is  # nosec B307
        exec(self._script.code, self._globals)  # noqa: S102 - as above  # nosec B102
        return None

    def variables(self) -> dict[str, Any]:
        """The script's globals as JSON: none that begin with `__`, no modules, callables or unchanged parameters."""
        found: dict[str, Any] = {}
        for name, value in list(self._globals.items()):
            if name.startswith("__") or value is self._context:
                continue
            if type(value) not in _PLAIN and (isinstance(value, types.ModuleType) or callable(value)):
                continue
            if name in self._before and _same(value, self._before[name]):
                continue
            found[name] = value
        return to_json(found)


async def _as_coroutine(awaitable: Any) -> None:
    await awaitable


def _same(value: Any, before: Any) -> bool:
    try:
        return type(value) is type(before) and bool(value == before)
    except Exception:  # noqa: BLE001 - a script's own __eq__; what can't be compared has changed
        return False
