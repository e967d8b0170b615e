"""Everything as JSON: the one serializer for whatever is stored or sent.

JSON values (None, bool, int, finite float, str, list, dict with text keys) come out as they went in. The others:

| value | becomes |
| --- | --- |
| NaN, Infinity, -Infinity | their names as text |
| Decimal, UUID, Path | text |
| datetime, date, time | ISO 8601 text; without an offset when they have none |
| timedelta | seconds |
| Enum member | its value |
| bytes, bytearray, memoryview | base64 text |
| tuple, set, deque, range, dict views, any other Sequence or Set | list (of a set: in order, if its items have one) |
| namedtuple, dataclass, pydantic model, any other Mapping | object |
| keys that are no text | text, as JSON writes the key; a key that is there already gets `#2`, `#3` … behind it |
| numpy, pandas and polars scalars, series, arrays | what their `tolist()` or `to_list()` gives |
| a data frame of pandas or polars, an Arrow table | list of objects, a named index in them; null for what is missing |
| SecretStr, SecretBytes | `**********` |
| an exception | `{"type", "message"}` |
| text with lone surrogates | each of them as `\\udXXX` |
| a cycle, more than 200 levels, an int of more than 4,300 digits | a text in angle brackets that says so |
| a generator, another iterator | in a result a list of what it gives; else as any other object: reading uses it up |
| any other object | `"<module.Class: repr>"`, the repr at most 500 characters long |
| what raises when it is read | a text in angle brackets that names the error, after the items that could be read |

What is larger than the bound is cut, and says in its place how much was left out: nothing is left out silently.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import io
import json
import math
import sys
from collections import UserString, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from json.encoder import encode_basestring
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import SecretBytes, SecretStr

from shared.errors import ExecutionStopped, NotAwaitedError
from shared.serialization.foreign_values import (
    MAX_REPR,
    DataFrameRows,
    class_name,
    dumped_model,
    listed,
    rows_of,
    unpacked,
)

MAX_VALUE_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 200
MAX_INT_DIGITS = 4300
_MAX_SORTED = 100_000
# Shorter texts are never cut: the marker would be longer than what it saves.
_MIN_CUT = 64
# Ints of so few bits have at most 640 digits, the lowest limit that Python lets anybody set:
# https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
_SURELY_SHORT_BITS = 2100


def to_json(value: Any, *, max_bytes: int = MAX_VALUE_BYTES) -> Any:
    """The value as JSON can hold it; never raises because of the value, and never changes it.

    Args:
        value: anything.
        max_bytes: how long the compact JSON text may be, in bytes of UTF-8. Markers come on top.

    Returns:
        A tree of dict with text keys, list, str, int, finite float, bool and None, with nothing shared with `value`
        that can change.
    """
    try:
        return _Conversion(max_bytes).convert(value, 0)
    except RecursionError:  # whoever calls has no stack left
        return "<can't be shown, RecursionError>"


def result_to_json(value: Any, *, max_bytes: int = MAX_VALUE_BYTES) -> Any:
    """What a function returned as JSON: as `to_json`, and iterators are read, as far as there is room.

    Raises:
        NotAwaitedError: a coroutine that nobody awaited is in it, or another awaitable.
        BaseException: what an iterator raises, which is the author's code.
    """
    conversion = _Conversion(max_bytes, is_result=True)
    try:
        converted = conversion.convert(value, 0)
    except _IterationFailed as failed:
        raise failed.error from None
    except RecursionError:
        return "<can't be shown, RecursionError>"
    if conversion.unawaited:
        raise NotAwaitedError(conversion.unawaited)
    return converted


def dumps(value: Any) -> str:
    """The JSON text of anything, without spaces."""
    return json.dumps(to_json(value), separators=(",", ":"), allow_nan=False)


class _IterationFailed(BaseException):
    """An iterator in a result raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Conversion:
    """One walk through a value: how much room is left, and which containers it is inside of.

    In a result iterators are read, and what nobody awaited is found.
    """

    __slots__ = ("_inside", "_is_result", "_left", "unawaited")

    def __init__(self, max_bytes: int, *, is_result: bool = False) -> None:
        self._left = max_bytes
        self._inside: set[int] = set()
        self._is_result = is_result
        self.unawaited: list[Any] = []

    def convert(self, value: Any, depth: int) -> Any:
        # By `is`, since looking a class up in a table calls its metaclass.
        kind: type[Any] = cast("type[Any]", type(value))
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            self._left -= 4
            return value
        if kind is int:
            return self._integer(value)
        if kind is float:
            return self._float(value)
        if kind is dict:
            return self._container(value, depth, self._object)
        if kind is list:
            return self._container(value, depth, self._array)
        return self._guarded(value, depth)

    def _guarded(self, value: Any, depth: int) -> Any:
        """What is no plain JSON value; its own methods are user code and may raise anything."""
        if depth > MAX_DEPTH:
            return self._too_deep()
        try:
            return self._other(value, depth)
        except BaseException as error:  # noqa: BLE001 - whatever they raise, but for the end of the run
            return self._text(f"<{class_name(value)}: {_cause(error)}>")

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.convert(value.value, depth + 1)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._integer(int.__index__(value))
        if isinstance(value, float):
            return self._float(float.__float__(value))
        if isinstance(value, (datetime, date, time)):
            return self._text(str.__str__(value.isoformat()))
        if isinstance(value, timedelta):
            return self._float(value.total_seconds())
        if isinstance(value, (Decimal, UUID, PurePath, UserString)):
            return self._text(str.__str__(str(value)))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(memoryview(cast("bytes", value)))
        if isinstance(value, Mapping):
            return self._container(value, depth, self._object)
        if isinstance(value, tuple) and hasattr(cast("Any", value), "_fields"):
            return self._named_tuple(cast("Any", value), depth)
        if isinstance(value, (AbstractSet, Sequence, ValuesView)):
            return self._container(value, depth, self._array)
        return self._foreign(value, depth)

    def _named_tuple(self, value: Any, depth: int) -> Any:
        fields = dict(zip(value._fields, value, strict=False))
        return self._container(fields, depth, self._object, identity=value)

    def _foreign(self, value: Any, depth: int) -> Any:
        """Objects of classes that JSON has no word for."""
        kind = cast("type[Any]", type(value))
        frame = rows_of(value, max(1, self._left))
        if frame is not None:
            return self._container(frame, depth, self._records, identity=value)
        if dataclasses.is_dataclass(kind):
            fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
            return self._container(fields, depth, self._object, identity=value)
        if isinstance(value, BaseException):
            fields = {"type": class_name(value).rpartition(".")[2], "message": _message(value)}
            return self._container(fields, depth, self._object, identity=value)
        if hasattr(kind, "model_fields") and hasattr(kind, "model_dump"):
            return self._within(value, depth, dumped_model)
        if hasattr(kind, "dtype") and (hasattr(kind, "tolist") or hasattr(kind, "to_list")):
            return self._numpy_like(value, depth)
        if isinstance(value, (SecretStr, SecretBytes)):
            return self._text(str.__str__(str(value)))
        if self._is_result:
            if inspect.isawaitable(value) or inspect.isasyncgen(value):
                self.unawaited.append(value)
            elif isinstance(value, Iterator) and not isinstance(value, io.IOBase):
                return self._container(_read(cast("Iterator[Any]", value)), depth, self._array, identity=value)
        return self._text(f"<{class_name(value)}: {str.__str__(repr(value))[:MAX_REPR]}>")

    def _records(self, frame: DataFrameRows, depth: int) -> list[Any]:
        names: dict[str, None] = {}
        repeated: dict[str, int] = {}
        for name in frame.names:
            names[_free(name if type(name) is str else self._key(name, depth), names, repeated)] = None
        return self._array((dict(zip(names, row, strict=True)) for row in frame.rows), depth, frame.more)

    def _within(self, value: Any, depth: int, read: Callable[[Any], Any]) -> Any:
        """What stands for `value`, which may lead back to it."""
        return self._container(value, depth, lambda inner, below: self.convert(read(inner), below - 1))

    def _numpy_like(self, value: Any, depth: int) -> Any:
        size = getattr(value, "size", None)
        if type(size) is int and size > self._left and getattr(value, "ndim", 0) == 1:
            # Of what can't fit no more is unpacked than there is room for.
            count = max(1, self._left)
            build = partial(self._array, more=size - count)
            return self._container(listed(value[:count]), depth, build, identity=value)
        return self._within(value, depth, unpacked)

    def _container(self, value: Any, depth: int, build: Callable[[Any, int], Any], identity: Any = None) -> Any:
        key = id(value if identity is None else identity)
        if key in self._inside:
            return self._text("<cycle>")
        if depth >= MAX_DEPTH:
            return self._too_deep()
        self._inside.add(key)
        try:
            self._left -= 1
            return build(value, depth + 1)
        finally:
            self._inside.discard(key)

    def _array(self, value: Iterable[Any], depth: int, more: int = 0) -> list[Any]:
        """The items of `value`, which is all there is but for `more` others."""
        items: list[Any] = []
        try:
            for item in _ordered(value):
                if self._left <= 0:
                    items.append(f"<{_rest(value, len(items) - more)} left out>")
                    break
                self._left -= 1
                items.append(self._text(item) if type(item) is str else self.convert(item, depth))
        except BaseException as error:  # noqa: BLE001 - as in _guarded
            items.append(f"<{class_name(value)}: {_cause(error)}>")
        return items

    def _object(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        repeated: dict[str, int] = {}
        try:
            for key, item in value.items():
                if self._left <= 0:
                    fields[_free("<left out>", fields, repeated)] = _rest(value, len(fields))
                    break
                self._left -= 2
                name = self._text(key) if type(key) is str else self._key(key, depth)
                if name in fields:
                    longer = _free(name, fields, repeated)
                    self._left -= len(longer) - len(name)
                    name = longer
                fields[name] = self._text(item) if type(item) is str else self.convert(item, depth)
        except BaseException as error:  # noqa: BLE001 - as in _guarded
            fields[_free("<incomplete>", fields, repeated)] = f"<{class_name(value)}: {_cause(error)}>"
        return fields

    def _key(self, key: Any, depth: int) -> str:
        converted = self.convert(key, depth)
        if isinstance(converted, str):
            return converted
        return json.dumps(converted, allow_nan=False)

    def _text(self, text: str) -> str:
        """Text, of which this must be the plain class, cut when there is no room for it."""
        if len(text) > self._left and len(text) > _MIN_CUT:
            return self._cut(text)
        size = _size(text)
        if size is None:
            return self._text(text.encode("utf-8", "backslashreplace").decode("utf-8"))
        if size > self._left and size > _MIN_CUT:
            return self._cut(text)
        self._left -= size
        return text

    def _cut(self, text: str) -> str:
        room = max(0, self._left)
        head = text[:room].encode("utf-8", "backslashreplace").decode("utf-8")[:room]
        while (size := _size(head) or 0) > room + 2:
            head = head[: len(head) * room // size]
        self._left -= room
        return f"{head}<{max(0, len(text) - len(head))} characters left out>"

    def _integer(self, value: int) -> int | str:
        if value.bit_length() > _SURELY_SHORT_BITS:
            # Python refuses to write what is longer than its own limit, which can be set lower than ours.
            limit = min(MAX_INT_DIGITS, sys.get_int_max_str_digits() or MAX_INT_DIGITS)
            if abs(value) >= 10**limit:
                digits = int(value.bit_length() * math.log10(2)) + 1
                return self._text(f"<int of about {digits} digits>")
        self._left -= len(repr(value))
        return value

    def _float(self, value: float) -> float | str:
        if not math.isfinite(value):
            return self._text("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")
        self._left -= len(repr(value))
        return value

    def _bytes(self, view: memoryview) -> str:
        # Of what is too long no more is encoded than there is room for.
        size = min(view.nbytes, max(0, self._left) * 3 // 4 + 3)
        raw = view.tobytes() if size == view.nbytes else view.cast("B")[: size - size % 3].tobytes()
        text = base64.b64encode(raw).decode("ascii")
        self._left -= len(text) + 2
        return text if len(raw) == view.nbytes else f"{text}<{view.nbytes - len(raw)} bytes left out>"

    def _too_deep(self) -> str:
        return self._text(f"<more than {MAX_DEPTH} levels>")


def _size(text: str) -> int | None:
    """How many bytes of UTF-8 the text is as JSON; None when it can't be written in UTF-8."""
    quoted = encode_basestring(text)
    if quoted.isascii():
        return len(quoted)
    try:
        return len(quoted.encode("utf-8"))
    except UnicodeEncodeError:
        return None


def _ordered(value: Iterable[Any]) -> Iterable[Any]:
    """The items of a set in an order that is the same in every process, where that can be had."""
    if isinstance(value, (set, frozenset)) and len(cast("set[Any]", value)) <= _MAX_SORTED:
        items = cast("set[Any]", value)
        for key in (None, _by_class):
            try:
                return sorted(items, key=key)  # pyright: ignore[reportUnknownVariableType]
            except BaseException as error:  # noqa: BLE001 - items without an order among them, or as in _guarded
                _reraise_stop(error)
    return value


def _by_class(item: Any) -> tuple[str, Any]:
    return class_name(item), item


def _rest(value: Any, done: int) -> str:
    counted = isinstance(value, (list, tuple, dict, set, frozenset, deque))
    return f"{len(cast('list[Any]', value)) - done} more items" if counted else "more items"


def _free(name: str, taken: Mapping[str, Any], repeated: dict[str, int]) -> str:
    """The name, or the first of `name#2`, `name#3` … that is free; `repeated` keeps how far each name has come."""
    found = name
    while found in taken:
        repeated[name] = repeated.get(name, 1) + 1
        found = f"{name}#{repeated[name]}"
    return found


def _read(items: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from items
    except (GeneratorExit, ExecutionStopped):
        raise
    except BaseException as error:  # noqa: BLE001 - the author's code; handed on as it is
        raise _IterationFailed(error) from None


def _message(error: BaseException) -> Any:
    try:
        return str.__str__(str(error))
    except BaseException as second:  # noqa: BLE001 - as in _guarded
        return f"<{_cause(second)}>"


def _cause(error: BaseException) -> str:
    """A few words for what was raised, if it may be held up at all."""
    _reraise_stop(error)
    return f"can't be shown, {class_name(error).removeprefix('builtins.')}"


def _reraise_stop(error: BaseException) -> None:
    if isinstance(error, (ExecutionStopped, _IterationFailed)):
        raise error
