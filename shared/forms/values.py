"""What a field's value is: read from what a browser sends, by the field's type, and held against the field's rules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from shared.forms.choices import WrongValueError, own_choices
from shared.models.forms import CHOICE_TYPES, FieldValidation, FormField
from shared.parameters.types import is_linear_pattern, value_type
from shared.registry import WorkflowParameter

# More digits than a float can tell apart stay an int.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,300}\s*")
_PARAMETER_TYPES = {"text": "string", "textarea": "string", "email": "email"}
# Not validated: a model is built when the first form is read, and not when the app starts.
_NO_RULES = FieldValidation.model_construct()


def is_empty(value: Any) -> bool:
    """Whether a field counts as not filled in: null, an empty text and an empty list."""
    return value is None or value in ("", [])


def value_or_default(field: FormField, form_data: Mapping[str, Any]) -> Any:
    """What was sent for the field, or its default when that is empty."""
    value = form_data.get(field.name)
    return field.default_value if is_empty(value) else value


def read_value(field: FormField, value: Any) -> Any:
    """The value as the workflow gets it.

    - text, textarea, email: text. number: int or float, from text too. checkbox: bool, from `on`, `off`, `true` … too.
    - datetime: the ISO 8601 text as it was sent.
    - select, radio: the value of the option that is meant; the value as it is where a data provider has the options.
    - file: upload ids, which mean something to the caller only.

    With `multiple`, a select or file is a list of those, and one value is a list of one.

    Args:
        field: no markdown or html.
        value: not empty.

    Raises:
        WrongValueError: it does not fit the type, the field's rules or its own options.
    """
    rules = field.validation or _NO_RULES
    if field.type in CHOICE_TYPES or field.type == "file":
        return _read_choice_or_file(field, value, rules)
    if field.type == "number":
        return _number(value, rules)
    if field.type == "checkbox":
        return _validated("bool", None, value)
    if field.type == "datetime":
        return _moment(value)
    return _text(_PARAMETER_TYPES[field.type], value, rules)


def _read_choice_or_file(field: FormField, value: Any, rules: FieldValidation) -> Any:
    if field.multiple:
        value = cast("list[Any]", value) if isinstance(value, list) else [value]
        _check_bounds(rules, len(value), "items")
    if field.type == "file":
        ids = cast("list[Any]", value) if field.multiple else [value]
        if not all(isinstance(each, str) and each for each in ids):
            raise WrongValueError("upload_id", "Input should be the id of an upload")
        return value
    if field.data_provider is not None:
        return value
    choices = own_choices(field)
    return choices.choose_all(value) if field.multiple else choices.choose(value)


def _text(kind: str, value: Any, rules: FieldValidation) -> str:
    if rules.pattern is not None and not is_linear_pattern(rules.pattern):
        raise WrongValueError("pattern_unusable", "The form's pattern for this field can't be used")
    text = cast("str", _validated(kind, rules.pattern, value))
    _check_bounds(rules, len(text), "characters")
    return text


def _number(value: Any, rules: FieldValidation) -> int | float:
    number = cast("float", _validated("float", None, value))
    is_whole_text = isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)
    whole = int(value) if is_whole_text or isinstance(value, int) else None
    found = number if whole is None else whole
    _check_bounds(rules, found, None)
    return found


def _moment(value: Any) -> str:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise WrongValueError("datetime", "Input should be a date and time as in 2030-12-31T23:59:00Z") from None
    return value


def _check_bounds(rules: FieldValidation, number: float, unit: str | None) -> None:
    what = f" have {{}} {unit}" if unit else " be {}"
    if rules.min is not None and number < rules.min:
        raise WrongValueError("too_small", f"Input should{what.format(f'at least {_plain(rules.min)}')}")
    if rules.max is not None and number > rules.max:
        raise WrongValueError("too_large", f"Input should{what.format(f'at most {_plain(rules.max)}')}")


def _plain(bound: float) -> str:
    return str(int(bound)) if math.isfinite(bound) and bound.is_integer() else str(bound)


def _validated(kind: str, pattern: str | None, value: Any) -> Any:
    try:
        return _adapter(kind, pattern).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise WrongValueError(first["type"], first["msg"]) from None


@lru_cache(maxsize=500)
def _adapter(kind: str, pattern: str | None) -> TypeAdapter[Any]:
    rules = {"pattern": pattern} if pattern is not None else None
    return TypeAdapter(value_type(WorkflowParameter("value", kind, validation=rules)))
