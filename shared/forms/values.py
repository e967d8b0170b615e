"""What a field's value is: read from what a browser sends, by the field's type, and held against the field's rules."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from shared.forms.choices import WrongValueError, own_choices
from shared.forms.patterns import UnusablePatternError, is_whole
from shared.models.forms import CHOICE_TYPES, FieldValidation, FormField, FormSchema
from shared.parameters.types import value_type
from shared.registry import WorkflowParameter

# More digits than a float can tell apart stay an int.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,300}\s*")
_PARAMETER_TYPES = {"text": "string", "textarea": "string", "password": "string", "email": "email"}  # nosec B105 - types of fields
_MOMENTS = {
    "date": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a date as in 2030-12-31"),
    "datetime": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*"), "a date and time as in 2030-12-31T23:59:00Z"),
}
# Not validated: a model is built when the first form is read, and not when the app starts.
_NO_RULES = FieldValidation.model_construct()


def is_empty(value: Any) -> bool:
    """Whether a field counts as not filled in: null, an empty text and an empty list."""
    return value is None or value in ("", [])


def value_or_default(field: FormField, form_data: Mapping[str, Any]) -> Any:
    """What was sent for the field, or its default when nothing was; an empty checkbox is one that is not checked."""
    value = form_data.get(field.name, field.default_value)
    return False if field.type == "checkbox" and is_empty(value) else value


def emptied(field: FormField, sent: Any) -> Any:
    """The value of a field that its user emptied: null, or what is empty of the field's own type unless null was sent.

    That is a list where it takes several, and a text where it takes text.
    """
    if sent is None:
        return None
    if field.multiple:
        return []
    return "" if field.type in _PARAMETER_TYPES else None


def secret_values(schema: FormSchema, values: Mapping[str, Any]) -> frozenset[str]:
    """The values of fields for passwords, which are not to be shown."""
    fields = [field for field in schema.fields if field.type == "password"]
    return frozenset(value for field in fields if (value := values.get(field.name)))


def read_value(field: FormField, value: Any) -> Any:
    """The value as the workflow gets it.

    - text, textarea, password, email: text. number: int or float, from text too. checkbox: bool, from `on`, `off`,
      `true` … too.
    - date, datetime: the ISO 8601 text as it was sent. What a parameter of that type takes.
    - select, radio: the value of the option that is meant; the value as it is where a data provider has the options.
    - file: upload ids, which mean something to the caller only.

    A multiselect and, with `multiple`, a select or file is a list of those, and one value is a list of one.

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
        return _validated("bool", value)
    if field.type in ("date", "datetime"):
        return _moment(field.type, value)
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
    text = cast("str", _validated(kind, value))
    _check_bounds(rules, len(text), "characters")
    if rules.pattern is None:
        return text
    try:
        is_right = is_whole(rules.pattern, text)
    except UnusablePatternError:
        raise WrongValueError("pattern_unusable", "The form's pattern for this field can't be used") from None
    if not is_right:
        raise WrongValueError("string_pattern_mismatch", f"String should match pattern '{rules.pattern}'")
    return text


def _number(value: Any, rules: FieldValidation) -> int | float:
    number = cast("float", _validated("float", value))
    is_whole_text = isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)
    whole = int(value) if is_whole_text or isinstance(value, int) else None
    found = number if whole is None else whole
    _check_bounds(rules, found, None)
    return found


def _moment(kind: str, value: Any) -> str:
    # The parameter's own reader decides, but it takes more: seconds since 1970, which nobody fills in.
    form, shown = _MOMENTS[kind]
    if isinstance(value, str) and form.fullmatch(value):
        with contextlib.suppress(WrongValueError):
            _validated(kind, value)
            return value
    raise WrongValueError(kind, f"Input should be {shown}")


def _check_bounds(rules: FieldValidation, number: float, unit: str | None) -> None:
    what = f" have {{}} {unit}" if unit else " be {}"
    if rules.min is not None and number < rules.min:
        raise WrongValueError("too_small", f"Input should{what.format(f'at least {_plain(rules.min)}')}")
    if rules.max is not None and number > rules.max:
        raise WrongValueError("too_large", f"Input should{what.format(f'at most {_plain(rules.max)}')}")


def _plain(bound: float) -> str:
    return str(int(bound)) if math.isfinite(bound) and bound.is_integer() else str(bound)


def _validated(kind: str, value: Any) -> Any:
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise WrongValueError(first["type"], first["msg"]) from None


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(value_type(WorkflowParameter("value", kind)))
