"""Which of a dropdown's options a submitted value means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared.models.data_providers import Option
from shared.models.forms import FormField


class Choices:
    """The options of a field, to look values up in.

    A value means the option whose own value is the same JSON: 1 is 1.0, and neither "1" nor true. A browser sends text,
    though, so that a text also means the option that it is the text form of, if there is just one: "1" means 1 where
    there is no option "1", and "true" means true.

    Args:
        options: their values are JSON.
    """

    def __init__(self, options: Sequence[Option]) -> None:
        self._values: dict[str, Any] = {}
        self._by_text: dict[str, list[Any]] = {}
        for option in options:
            value = option["value"]
            key = _json_text(value)
            if key not in self._values:
                self._values[key] = value
                self._by_text.setdefault(value if isinstance(value, str) else key, []).append(value)

    def find(self, value: Any) -> tuple[bool, Any]:
        """Whether an option is meant, and that option's own value."""
        try:
            key = _json_text(value)
        except RecursionError:
            return False, None
        if key in self._values:
            return True, self._values[key]
        alike = self._by_text.get(value, []) if isinstance(value, str) else []
        return (True, alike[0]) if len(alike) == 1 else (False, None)


def static_options(field: FormField) -> list[Option]:
    """The options that stand in the form itself."""
    return [Option(label=option.label, value=option.value, metadata=None) for option in field.options or ()]


def _json_text(value: Any) -> str:
    """One text for values that are the same JSON."""
    return json.dumps(_with_plain_numbers(value), sort_keys=True, separators=(",", ":"))


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_plain_numbers(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
