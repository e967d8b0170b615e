"""Everything as JSON: the one serializer for parameters, results, variables, log data and whatever else is kept or
sent.

JSON values (None, bool, int, finite float, str, list, dict with text keys) come out as they went in. The others:

| value | becomes |
| --- | --- |
| NaN, Infinity, -Infinity | their names as text |
| Decimal, UUID, Path | text |
| datetime, date, time | ISO 8601 text |
| timedelta | seconds |
| Enum member | its value |
| bytes, bytearray, memoryview | base64 text |
| tuple, set, frozenset, deque, range, dict views | list (sets in order where their items have one) |
| namedtuple, dataclass, pydantic model, any other Mapping | object |
| keys that are no text | text, as JSON writes the key; a key that is there already gets `#2`, `#3` … behind it |
| numpy and pandas scalars, arrays | what their `item()` or `tolist()` gives |
| an exception | `{"type", "message"}` |
| text with lone surrogates | each of them as `\\udXXX` |
| a cycle, more than 200 levels, an int of more than 4,300 digits | a text in angle brackets that says so |
| any other object | `"<module.Class: repr>"`, the repr at most 500 characters long |

What is larger than the bound is cut, and says in its place how much was left out: nothing is left out silently.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import math
from collections import deque
from collections.abc import Callable, ItemsView, Iterable, KeysView, Mapping, ValuesView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, cast
from uuid import UUID

MAX_VALUE_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 200
MAX_INT_DIGITS = 4300
_MAX_REPR = 500
# An int of this many bits has at most MAX_INT_DIGITS digits; counting the digits themselves is quadratic.
_MAX_INT_BITS = int(MAX_INT_DIGITS * math.log2(10))
_SEQUENCES = (tuple, set, frozenset, deque, range, KeysView, ValuesView, ItemsView)
_HTML_STARTS = (
    *("<!doctype html", "<html", "<head", "<body", "<div", "<p>", "<p ", "<span", "<table", "<ul", "<ol", "<h1", "<h2"),
    *("<h3", "<section", "<article", "<main", "<form", "<style", "<a ", "<img ", "<svg", "<br", "<b>", "<pre"),
)


def to_json(value: Any, *, max_bytes: int = MAX_VALUE_BYTES) -> Any:
    """The value as JSON can hold it; never raises because of the value, and never changes it.

    Args:
        value: anything.
        max_bytes: about how long the JSON text may be, in bytes.

    Returns:
        A tree of dict with text keys, list, str, int, finite float, bool and None, with nothing shared with `value`
        that can change.
    """
    return _Conversion(max_bytes).convert(value, 0)


def dumps(value: Any) -> str:
    """The JSON text of anything, without spaces."""
    return json.dumps(to_json(value), separators=(",", ":"), allow_nan=False)


def result_type(value: Any) -> Literal["json", "html", "text"]:
    """How a result is best shown: text that begins like HTML, other text, or JSON."""
    if not isinstance(value, str):
        return "json"
    return "html" if value[:100].lstrip().lower().startswith(_HTML_STARTS) else "text"


class _Conversion:
    """One walk through a value: how much room is left, and which containers it is inside of."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._inside: set[int] = set()

    def convert(self, value: Any, depth: int) -> Any:
        kind: type[Any] = cast("type[Any]", type(value))
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            self._left -= 4
            return value
        if kind is int:
            return self._integer(value)
        if kind is float:
            self._left -= 10
            return value if math.isfinite(value) else _name_of_float(value)
        if kind is dict or kind is list:
            return self._container(value, depth, self._object if kind is dict else self._array)
        return self._guarded(value, depth)

    def _guarded(self, value: Any, depth: int) -> Any:
        """What is no plain JSON value; its own methods are user code and may raise anything."""
        try:
            return self._other(value, depth)
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # noqa: BLE001 - whatever they raise
            return self._text(f"<{_class_name(value)}: can't be shown, {type(error).__name__}>")

    def _other(self, value: Any, depth: int) -> Any:
        kind = cast("type[Any]", type(value))
        if isinstance(value, Enum):
            return self.convert(value.value, depth + 1)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._integer(int.__index__(value))
        if isinstance(value, float):
            return self.convert(float.__float__(value), depth)
        if isinstance(value, (datetime, date, time)):
            return self._text(value.isoformat())
        if isinstance(value, timedelta):
            return self.convert(value.total_seconds(), depth)
        if isinstance(value, (Decimal, UUID, PurePath)):
            return self._text(str(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(memoryview(cast("bytes", value)))
        if isinstance(value, Mapping):
            return self._container(value, depth, self._object)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            fields = dict(zip(kind._fields, cast("tuple[Any, ...]", value), strict=False))
            return self._container(fields, depth, self._object, identity=value)
        if isinstance(value, (list, *_SEQUENCES)):
            return self._container(value, depth, self._array)
        return self._foreign(value, depth)

    def _foreign(self, value: Any, depth: int) -> Any:
        """Objects of classes that JSON has no word for."""
        kind = cast("type[Any]", type(value))
        if dataclasses.is_dataclass(kind):
            fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
            return self._container(fields, depth, self._object, identity=value)
        if isinstance(value, BaseException):
            fields = {"type": type(value).__name__, "message": str(value)}
            return self._container(fields, depth, self._object, identity=value)
        if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
            return self._container(value.model_dump(), depth, self._object, identity=value)
        if hasattr(kind, "dtype") and hasattr(kind, "tolist"):
            return self._container([value.tolist()], depth, self._array, identity=value)[0]
        return self._text(f"<{_class_name(value)}: {repr(value)[:_MAX_REPR]}>")

    def _container(self, value: Any, depth: int, build: Callable[[Any, int], Any], identity: Any = None) -> Any:
        key = id(value if identity is None else identity)
        if key in self._inside:
            return self._text("<cycle>")
        if depth >= MAX_DEPTH:
            return self._text(f"<more than {MAX_DEPTH} levels>")
        self._inside.add(key)
        try:
            self._left -= 2
            return build(value, depth + 1)
        finally:
            self._inside.discard(key)

    def _array(self, value: Iterable[Any], depth: int) -> list[Any]:
        items: list[Any] = []
        for item in _ordered(value):
            if self._left <= 0:
                items.append(f"<{_rest(value, len(items))} left out>")
                break
            self._left -= 1
            items.append(self.convert(item, depth))
        return items

    def _object(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, item in value.items():
            if self._left <= 0:
                fields[_free("<left out>", fields)] = _rest(value, len(fields))
                break
            self._left -= 2
            name = self._key(key, depth)
            fields[_free(name, fields) if name in fields else name] = self.convert(item, depth)
        return fields

    def _key(self, key: Any, depth: int) -> str:
        if isinstance(key, Enum):
            key = key.value
        converted = self.convert(key, depth)
        if isinstance(converted, str):
            return converted
        return json.dumps(converted, allow_nan=False)

    def _text(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        size = len(text) + 2
        if size > self._left and size > 64:
            kept = max(0, self._left - 2)
            text = f"{text[:kept]}<{len(text) - kept} characters left out>"
        self._left -= size
        return text

    def _integer(self, value: int) -> int | str:
        if value.bit_length() > _MAX_INT_BITS:
            digits = int(value.bit_length() * math.log10(2)) + 1
            return self._text(f"<int of about {digits} digits>")
        self._left -= 1 + value.bit_length() // 3
        return value

    def _bytes(self, view: memoryview) -> str:
        # Of what is too long no more is encoded than there is room for.
        kept = min(view.nbytes, max(0, self._left) * 3 // 4 + 3)
        raw = view.tobytes() if kept == view.nbytes else view.cast("B")[: kept - kept % 3].tobytes()
        text = base64.b64encode(raw).decode("ascii")
        self._left -= len(text) + 2
        return text if len(raw) == view.nbytes else f"{text}<{view.nbytes - len(raw)} bytes left out>"


def _ordered(value: Iterable[Any]) -> Iterable[Any]:
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(cast("set[Any]", value))
        except TypeError:  # items of different kinds have no order
            return cast("set[Any]", value)
    return value


def _rest(value: Any, done: int) -> str:
    return f"{len(value) - done} more items"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or the first of `name#2`, `name#3` … that is free."""
    return next(found for n in itertools.count(1) if (found := name if n == 1 else f"{name}#{n}") not in taken)


def _name_of_float(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _class_name(value: Any) -> str:
    kind: type[Any] = cast("type[Any]", type(value))
    return f"{type.__getattribute__(kind, '__module__')}.{type.__getattribute__(kind, '__qualname__')}"
