"""Which of a dropdown's options a submitted value means."""

from __future__ import annotations

import json
import re
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
    though, so that a text also means the option that it is the text form of: "1" means 1 where there is no option "1",
    and "true" means true.

    Args:
        options: their values are JSON.
    """

    def __init__(self, options: Sequence[Option]) -> None:
        # Lists may have hundreds of thousands, and most values are texts and numbers.
        self._texts: dict[str, Option] = {}
        self._numbers: dict[float, Option] = {}
        self._others: dict[str, Option] = {}
        for option in options:
            value = option["value"]
            if isinstance(value, str):
                self._texts.setdefault(value, option)
            elif _is_number(value):
                self._numbers.setdefault(value, option)
            else:
                self._others.setdefault(_json_text(value), option)

    def option_of(self, value: Any) -> Option | None:
        """The option that is meant; None when there is none."""
        if isinstance(value, str):
            return self._texts.get(value) or self._others.get(value) or self._number_written(value)
        if _is_number(value):
            return self._numbers.get(value)
        try:
            return self._others.get(_json_text(value))
        except RecursionError:
            return None

    def _number_written(self, text: str) -> Option | None:
        """The option whose value is a number that is written so."""
        if _NUMBER.fullmatch(text) is None:
            return None
        option = self._numbers.get(float(text) if _FRACTION.search(text) else int(text))
        return option if option is not None and _json_text(option["value"]) == text else None

    def find(self, value: Any) -> tuple[bool, Any]:
        """Whether an option is meant, and that option's own value."""
        option = self.option_of(value)
        return (False, None) if option is None else (True, option["value"])

    def missing(self, value: Any) -> list[str | float]:
        """The texts and numbers that mean no option, of a value or of a list of them, each once."""
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        plain = [each for each in values if isinstance(each, str) or _is_number(each)]
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


# As JSON writes one; the longest that Python reads as an int has 4,300 digits.
_NUMBER = re.compile(r"-?[0-9]{1,4000}(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FRACTION = re.compile(r"[.eE]")


def own_choices(field: FormField) -> Choices:
    """The options that stand in the form itself."""
    return Choices([Option(label=each.label, value=each.value, metadata=None) for each in field.options or ()])


def _json_text(value: Any) -> str:
    """One text for values that are the same JSON."""
    return json.dumps(_with_plain_numbers(value), sort_keys=True, separators=(",", ":"))


def text_of(value: str | float) -> str:
    """A value as people write it, for a search: a whole number without a decimal point."""
    return value if isinstance(value, str) else _json_text(value)


def is_offered(option: Option) -> bool:
    """Whether an option can be chosen: its value is not that of a field that is left empty."""
    value = option["value"]
    # Most have one, and lists may be long.
    return bool(value) or (value is not None and value not in ("", []))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_plain_numbers(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
