"""Text that stands for a value: query strings and form fields have nothing else, and JSON bodies may have it, too.

What an annotation takes as text stays text. Other text is read as the type's own notation, then as JSON: `5` for a
Literal of numbers, `{"a": 1}` for a model, `1,2` or `[1, 2]` for a list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

Validate = Callable[[Any], Any]

_BEGINNINGS = frozenset('{["-0123456789')


def decode_json(value: Any) -> Any:
    """JSON text as its value; other text stays, but for what can only be meant as JSON."""
    # To have it read costs much where it is refused, and lists may be long.
    if not isinstance(value, str) or not _may_be_json(value):
        return value
    try:
        return _loads(value)
    except ValueError:
        if _looks_like_structure(value):
            raise PydanticCustomError("json_invalid", "Input should be valid JSON") from None
        return value


def decode_list(value: Any) -> Any:
    """Text as a list: a JSON array, or items with commas between them, as the host joins a repeated query parameter."""
    if isinstance(value, str) and not _looks_like_structure(value):
        return [item.strip() for item in value.split(",")] if value.strip() else []
    return decode_json(value)


def read_list(value: Any, validate: Validate) -> Any:
    """A list of an annotation; items that it does not take as text are read as JSON."""
    items = decode_list(value)
    try:
        return validate(items)
    except ValidationError:
        decoded = _decoded_items(items)
        if decoded is None:
            raise
        try:
            return validate(decoded)
        except ValidationError:
            # Which items are wrong is what the caller's own texts say.
            pass
        raise


def read_value(value: Any, validate: Validate) -> Any:
    """A value of an annotation."""
    if not isinstance(value, str):
        return validate(value)
    try:
        return validate(value)
    except ValidationError:
        decoded = decode_json(value)
        if isinstance(decoded, str):
            raise
        if isinstance(decoded, (dict, list)):
            return validate(decoded)
        try:
            return validate(decoded)
        except ValidationError:
            pass
        raise


def read_union(value: Any, validate: Validate) -> Any:
    """A value of a union, which may take one text in several ways: as JSON has it comes before others."""
    if not isinstance(value, str):
        return validate(value)
    try:
        found = validate(value)
    except ValidationError:
        return read_value(value, validate)
    if isinstance(found, str):
        return found
    try:
        return validate(decode_json(value))
    except (PydanticCustomError, ValidationError):
        return found


def read_union_with_list(value: Any, validate: Validate) -> Any:
    """As `read_union`, of which a member is a list: text that nothing else takes may be its items."""
    try:
        return read_union(value, validate)
    except (PydanticCustomError, ValidationError):
        if not isinstance(value, str) or _looks_like_structure(value):
            raise
        try:
            return read_list(value, validate)
        except ValidationError:
            pass
        raise


def _decoded_items(items: Any) -> list[Any] | None:
    """The items, texts read as JSON where they are that; None when there is no text among them."""
    if not isinstance(items, (list, tuple)):
        return None
    listed = list(cast("list[Any]", items))
    if not any(isinstance(item, str) for item in listed):
        return None
    return [_decoded_or_same(item) for item in listed]


def _decoded_or_same(value: Any) -> Any:
    try:
        return decode_json(value)
    except PydanticCustomError:
        return value


def _loads(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, or is nested too deep to be read.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("too large")
    return value


def _may_be_json(text: str) -> bool:
    return text.lstrip()[:1] in _BEGINNINGS or text.strip() in ("true", "false", "null")


def _looks_like_structure(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")
