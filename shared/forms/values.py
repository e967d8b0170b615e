"""What a field's value is: read from what a browser sends, by the field's type, and held against the field's rules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from shared.forms.choices import Choices, static_options
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FieldValidation, FormField, FormSchema
from shared.parameters.types import value_type
from shared.registry import WorkflowParameter

# More digits than a float can tell apart stay an int.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,300}\s*")
_PARAMETER_TYPES = {"text": "string", "textarea": "string", "email": "email"}
_NO_RULES = FieldValidation()


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


def is_empty(value: Any) -> bool:
    """Whether a field counts as not filled in: null, an empty text and an empty list."""
    return value is None or value in ("", [])


def filled_values(schema: FormSchema, form_data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all fields of the schema that are filled in, by name, as expressions and providers see them.

    Each is what its field's type makes of it; what does not fit stays as it was sent. A default stands in for what is
    missing.
    """
    found: dict[str, Any] = {}
    for field in schema.fields:
        value = value_or_default(field, form_data)
        if field.type in DISPLAY_TYPES or is_empty(value):
            continue
        choices = Choices(static_options(field)) if field.type in CHOICE_TYPES and field.options else None
        try:
            found[field.name] = read_value(field, value, choices)
        except WrongValueError:
            found[field.name] = value
    return found


def value_or_default(field: FormField, form_data: Mapping[str, Any]) -> Any:
    """What was sent for the field, or its default when that is empty."""
    value = form_data.get(field.name)
    return field.default_value if is_empty(value) else value


def read_value(field: FormField, value: Any, choices: Choices | None) -> Any:
    """The value as the workflow gets it.

    - text, textarea, email: text. number: int or float, from text too. checkbox: bool, from `on`, `off`, `true` … too.
    - datetime: the ISO 8601 text as it was sent.
    - select, radio: the value of the option that is meant; the value as it is without `choices`.
    - file: upload ids, which mean something to the caller only.

    With `multiple`, a select or file is a list of those, and one value is a list of one.

    Args:
        field: no markdown or html.
        value: not empty.
        choices: what a select or radio may be; None if anything.

    Raises:
        WrongValueError: it does not fit the type or the field's rules. `validation.message` stands for every message.
    """
    try:
        return _read(field, value, choices)
    except WrongValueError as error:
        own = field.validation.message if field.validation is not None else None
        raise WrongValueError(error.kind, own or error.message) from None


def is_usable_pattern(pattern: str) -> bool:
    """Whether a pattern is a regular expression without look-around and back references: one whose time grows only
    with the text's length, whoever wrote the text.
    """
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True


def _read(field: FormField, value: Any, choices: Choices | None) -> Any:
    if field.type not in CHOICE_TYPES and field.type != "file":
        return _read_one(field, value, None)
    if not field.multiple:
        return _read_one(field, value, choices)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    _check_bounds(field.validation or _NO_RULES, len(items), "items")
    return [_read_one(field, item, choices) for item in items]


def _read_one(field: FormField, value: Any, choices: Choices | None) -> Any:
    rules = field.validation or _NO_RULES
    if field.type in CHOICE_TYPES:
        return _chosen(value, choices)
    if field.type == "number":
        return _number(value, rules)
    if field.type == "checkbox":
        return _validated("bool", None, value)
    if field.type == "datetime":
        return _moment(value)
    if field.type == "file":
        if not isinstance(value, str) or not value:
            raise WrongValueError("upload_id", "Input should be the id of an upload")
        return value
    return _text(_PARAMETER_TYPES[field.type], value, rules)


def _chosen(value: Any, choices: Choices | None) -> Any:
    if choices is None:
        return value
    is_among, own = choices.find(value)
    if not is_among:
        raise WrongValueError("option", "Input should be one of the options")
    return own


def _text(kind: str, value: Any, rules: FieldValidation) -> str:
    if rules.pattern is not None and not is_usable_pattern(rules.pattern):
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
