"""Which of a dropdown's options a submitted value means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from shared.models.data_providers import Option
from shared.models.forms import FormField


class WrongValueError(ValueError):
    """A value does not fit its field.

    Args:
        kind: the kind of mistake, a name for programs.
        message: a sentence for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def message_of(self, field: FormField) -> str:
        """The sentence that the field has for whatever is wrong with its value, or else the one about this mistake."""
        return (field.validation.message if field.validation is not None else None) or self.message


class Choices:
    """The options of a field, to look values up in.

    A value means the option whose own value is the same JSON: 1 is 1.0, and neither "1" nor true. A browser sends text,
    though, so that a text also means the option that it is the text form of, if there is just one: "1" means 1 where
    there is no option "1", and "true" means true.

    Args:
        options: their values are JSON.
    """

    def __init__(self, options: Sequence[Option]) -> None:
        self._options: dict[str, Option] = {}
        self._by_text: dict[str, list[Option]] = {}
        for option in options:
            value = option["value"]
            key = _json_text(value)
            if key not in self._options:
                self._options[key] = option
                self._by_text.setdefault(value if isinstance(value, str) else key, []).append(option)

    def option_of(self, value: Any) -> Option | None:
        """The option that is meant; None when there is none."""
        try:
            key = _json_text(value)
        except RecursionError:
            return None
        if key in self._options:
            return self._options[key]
        alike = self._by_text.get(value, []) if isinstance(value, str) else []
        return alike[0] if len(alike) == 1 else None

    def find(self, value: Any) -> tuple[bool, Any]:
        """Whether an option is meant, and that option's own value."""
        option = self.option_of(value)
        return (False, None) if option is None else (True, option["value"])

    def missing(self, value: Any) -> list[str | float]:
        """The texts and numbers that mean no option, of a value or of a list of them, each once."""
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        plain = [each for each in values if isinstance(each, (str, int, float)) and not isinstance(each, bool)]
        return list(dict.fromkeys(each for each in plain if self.option_of(each) is None))

    def choose(self, value: Any) -> Any:
        """The own value of the option that is meant.

        Raises:
            WrongValueError: none is.
        """
        is_among, own = self.find(value)
        if not is_among:
            raise WrongValueError("option", "Input should be one of the options")
        return own

    def choose_all(self, values: Sequence[Any]) -> list[Any]:
        """The own values of the options that are meant; errors as in `choose`."""
        return [self.choose(value) for value in values]


def own_choices(field: FormField) -> Choices:
    """The options that stand in the form itself."""
    return Choices([Option(label=each.label, value=each.value, metadata=None) for each in field.options or ()])


def _json_text(value: Any) -> str:
    """One text for values that are the same JSON."""
    # Most are plain, and lists may have hundreds of thousands.
    if isinstance(value, str):
        return f'"{value}"'
    if type(value) is int:
        return int.__repr__(value)
    return json.dumps(_with_plain_numbers(value), sort_keys=True, separators=(",", ":"))


def text_of(value: str | float) -> str:
    """A value as people write it, for a search: a whole number without a decimal point."""
    return value if isinstance(value, str) else _json_text(value)


def is_offered(option: Option) -> bool:
    """Whether an option can be chosen: its value is not that of a field that is left empty."""
    return option["value"] is not None and option["value"] not in ("", [])


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_plain_numbers(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
