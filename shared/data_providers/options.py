"""What a data provider returned, as options of a dropdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from shared.errors import ProviderFailedError
from shared.models.data_providers import Option
from shared.serialization import MAX_VALUE_BYTES, result_to_json

_WITHOUT_LABEL = "its value is no text or number"
_MAX_SHOWN_KEYS = 5
_MAX_SHOWN_CHARACTERS = 40


def options_of(returned: Any) -> list[Option]:
    """The options in what a provider returned.

    Args:
        returned: a list (or any other sequence, set or iterator) of items. An item is a text or a number, which is
            value and label at once; a pair `(value, label)`, as in the `items()` of a dictionary; or an object with a
            value, and if wanted a label, metadata, and whatever else a client is to have of it.

    Raises:
        ProviderFailedError: it is something else; the message names the item by its index, from 0 on.
        BaseException: see `result_to_json`.
    """
    # With some room above the bound, so that what would be cut is seen and refused: half a list is no answer.
    items = result_to_json(returned, max_bytes=MAX_VALUE_BYTES + MAX_VALUE_BYTES // 8)
    if not isinstance(items, list):
        raise ProviderFailedError(f"it returned {type(returned).__name__}, not a list of options")
    size = len(json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_VALUE_BYTES:
        raise ProviderFailedError(f"its options have more than {MAX_VALUE_BYTES} bytes as JSON")
    return [_option(index, item) for index, item in enumerate(cast("list[Any]", items))]


def _option(index: int, item: Any) -> Option:
    if isinstance(item, dict):
        return _of_object(index, cast("dict[str, Any]", item))
    if isinstance(item, list):
        pair = cast("list[Any]", item)
        if len(pair) != 2:
            raise _wrong(index, f"is a list of {len(pair)} items; a pair is (value, label)")
        if isinstance(pair[0], dict | list):
            raise _wrong(index, "is a pair whose value is no plain value; a pair is (value, label)")
        return Option(label=_label(index, pair[1]), value=pair[0], metadata=None)
    if not _is_plain(item):
        raise _wrong(index, f"is {_kind(item)}; an option is a text, a number, a pair or an object")
    return Option(label=str(item), value=item, metadata=None)


def _of_object(index: int, item: Mapping[str, Any]) -> Option:
    if "value" not in item:
        raise _wrong(index, f"has {_names_in(item)}no value; an option has a value, and a label where {_WITHOUT_LABEL}")
    value, label, metadata = item["value"], item.get("label"), item.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise _wrong(index, f"has metadata that is {_kind(metadata)}, not an object")
    if label is None:
        if not _is_plain(value):
            raise _wrong(index, f"has no label, and {_WITHOUT_LABEL} that could be one")
        label = value
    option = Option(label=_label(index, label), value=value, metadata=cast("dict[str, Any] | None", metadata))
    return cast("Option", {**option, **{key: more for key, more in item.items() if key not in option}})


def _names_in(item: Mapping[str, Any]) -> str:
    if not item:
        return ""
    shown = ", ".join(repr(_shortened(key)) for key in [*item][:_MAX_SHOWN_KEYS])
    return f"{shown}, {len(item) - _MAX_SHOWN_KEYS} more and " if len(item) > _MAX_SHOWN_KEYS else f"{shown} and "


def _label(index: int, label: Any) -> str:
    if not _is_plain(label):
        raise _wrong(index, f"has a label that is {_kind(label)}, not a text")
    return str(label)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _wrong(index: int, what: str) -> ProviderFailedError:
    return ProviderFailedError(f"item {index} of what it returned {what}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", bool: str(value).lower(), str: "a text"}
    return kinds.get(cast("type[Any]", type(value)), "a number")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"
