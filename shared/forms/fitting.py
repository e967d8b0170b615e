"""Whether a field can fill the parameter of its name: what its type gives against what the parameter takes."""

from __future__ import annotations

from shared.models.forms import DISPLAY_TYPES, FormField
from shared.registry import WorkflowParameter

_PLAIN = frozenset({"string", "int", "float", "bool", "email", "date", "datetime"})


def misfit(field: FormField, parameter: WorkflowParameter) -> str | None:
    """Why no value of the field could be right for the parameter; None where one may be."""
    if field.type in DISPLAY_TYPES or parameter.type not in _PLAIN:
        return None
    if field.type == "file":
        return f"{parameter.name} is of type {parameter.type}, and a file is given as an object: make it json"
    if field.multiple:
        return f"{parameter.name} is of type {parameter.type}, and the field gives a list"
    if field.type == "datetime" and parameter.type == "date":
        return f"{parameter.name} is a date, and the field gives a date and a time: make the field a date"
    return None
