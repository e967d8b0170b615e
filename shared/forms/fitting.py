"""A field and the parameter that it fills: whether that can be, and how a choice gets there as it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

from pydantic_core import PydanticCustomError

from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FieldType, FormField, FormSchema
from shared.parameters.json_schema import parameters_of
from shared.parameters.text_values import decode_json
from shared.registry import FunctionMetadata, WorkflowParameter

_NUMBERS = ("int", "float")
_MOMENTS = ("date", "datetime")
# Types of parameters that refuse whatever a field of this type gives.
_NEVER_GIVEN: Mapping[FieldType, tuple[str, ...]] = {
    "number": ("string", "email", *_MOMENTS, "list"),
    "checkbox": ("string", "email", *_NUMBERS, *_MOMENTS, "list"),
    "email": (*_NUMBERS, "bool", *_MOMENTS),
    "date": ("email", *_NUMBERS, "bool"),
    "datetime": ("email", *_NUMBERS, "bool"),
}
_PLAIN = frozenset({"string", "int", "float", "bool", "email", "date", "datetime"})


def misfit(field: FormField, parameter: WorkflowParameter) -> str | None:
    """Why no value of the field could be right for the parameter; None where one may be."""
    if field.type in DISPLAY_TYPES or parameter.type not in (*_PLAIN, "list"):
        return None
    if parameter.type in _NEVER_GIVEN.get(field.type, ()):
        return f"{parameter.name} is of type {parameter.type}, which no value of a {field.type} field is"
    if parameter.type == "list":
        return None
    if field.type == "file":
        return f"{parameter.name} is of type {parameter.type}, and a file is given as an object: make it json"
    if field.multiple:
        return f"{parameter.name} is of type {parameter.type}, and the field gives a list"
    if field.type == "datetime" and parameter.type == "date":
        return f"{parameter.name} is a date, and the field gives a date and a time: make the field a date"
    return None


def arguments_of(schema: FormSchema, values: Mapping[str, Any], metadata: FunctionMetadata) -> dict[str, Any]:
    """The values of a form's fields as a function is called with them: a choice is neither split nor read as JSON.

    Args:
        schema: the form's fields.
        values: by field, as the form passes them on.
        metadata: of the function; a parameter gets the value of the field of its name.
    """
    return as_chosen(choice_names(schema), values, metadata)


def choice_names(schema: FormSchema) -> frozenset[str]:
    """The fields whose values are choices."""
    return frozenset(field.name for field in schema.fields if field.type in CHOICE_TYPES)


def as_chosen(chosen: Collection[str], values: Mapping[str, Any], metadata: FunctionMetadata) -> dict[str, Any]:
    """The values for a function's parameters; for those in `chosen` as options have them."""
    parameters = {parameter.name: parameter for parameter in parameters_of(metadata)[0] if parameter.name in chosen}
    return {
        name: _as_chosen(value, parameters[name]) if name in parameters else value for name, value in values.items()
    }


def _as_chosen(value: Any, parameter: WorkflowParameter) -> object:
    if parameter.type == "list":
        # As text it would be split at its commas.
        return [value] if not isinstance(value, list) and value not in (None, "") else cast("object", value)
    is_json = parameter.type == "json" and not parameter.from_signature and parameter.annotation in (None, Any)
    if is_json and isinstance(value, str) and not _stays(value):
        return json.dumps(value)
    return value


def _stays(text: str) -> bool:
    """Whether a parameter for any JSON takes the text as that text."""
    try:
        return decode_json(text) == text
    except PydanticCustomError:
        return False
