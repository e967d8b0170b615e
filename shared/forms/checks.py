"""Submitted values held against a form."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.choices import Choices, static_options
from shared.forms.expressions import Budget, ExpressionError, compile_expression
from shared.forms.values import WrongValueError, filled_values, is_empty, read_value, value_or_default
from shared.models.data_providers import Option
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FormField, FormSchema
from shared.serialization import to_json

# A million unknown names must not become a million errors, nor a name of megabytes an answer.
_MOST_UNKNOWN = 50
_LONGEST_NAME = 100

_log = logging.getLogger(__name__)


def visible_fields(schema: FormSchema, form_data: Mapping[str, Any], budget: Budget | None = None) -> list[FormField]:
    """The fields that show with these values, in the form's order.

    Without a `visibilityExpression` a field always shows; with one, where that gives true. One that fails counts as
    true and is logged: better a field too many than a rule that was never checked. Values of hidden fields count in the
    expressions of others. They share `budget`, a new one if it is None.
    """
    values = filled_values(schema, form_data)
    budget = budget or Budget()
    return [field for field in schema.fields if _is_visible(field, values, budget)]


def check_form_data(
    schema: FormSchema, form_data: Mapping[str, Any], options: Mapping[str, Sequence[Option]]
) -> dict[str, Any]:
    """The values as the workflow gets them: what `read_value` makes of them, in the form's order.

    Empty fields are left out, after their default was tried; so are hidden ones, with whatever was sent for them. A
    `required` checkbox must be sent, and may be false.

    Args:
        schema: the form's fields.
        form_data: the values as they were sent, by field name.
        options: by field name, what the provider of a field with `strictOptions` gives now. A field that is missing
            here has no options, so that no value of it is right.

    Raises:
        InvalidInputError: names every field that is wrong, missing or unknown, at `["body", "form_data", NAME]`.
    """
    errors = list(_unknown_fields(schema, form_data))
    checked: dict[str, Any] = {}
    for field in visible_fields(schema, form_data):
        if field.type in DISPLAY_TYPES:
            continue
        value = value_or_default(field, form_data)
        if is_empty(value):
            if field.required:
                errors.append(_error(field.name, "missing", f"{field.label or field.name} is required"))
            continue
        try:
            checked[field.name] = read_value(field, value, _choices_of(field, options))
        except WrongValueError as error:
            errors.append(_error(field.name, error.kind, error.message))
    if errors:
        names = ", ".join(str(error["loc"][-1]) for error in errors)
        raise InvalidInputError(f"The form is not filled in correctly: {names}", errors)
    return checked


def _is_visible(field: FormField, values: Mapping[str, Any], budget: Budget) -> bool:
    if field.visibility_expression is None:
        return True
    try:
        return compile_expression(field.visibility_expression).evaluate(values, budget) is True
    except ExpressionError as error:
        _log.warning("The visibilityExpression of the field %s failed, so the field shows: %s", field.name, error)
        return True


def _choices_of(field: FormField, options: Mapping[str, Sequence[Option]]) -> Choices | None:
    if field.data_provider is not None:
        return Choices(options.get(field.name, ())) if field.strict_options else None
    return Choices(static_options(field)) if field.type in CHOICE_TYPES else None


def _unknown_fields(schema: FormSchema, form_data: Mapping[str, Any]) -> Iterator[FieldError]:
    known = {field.name for field in schema.fields if field.type not in DISPLAY_TYPES}
    unknown = [name for name in form_data if name not in known]
    for name in unknown[:_MOST_UNKNOWN]:
        # The serializer sees to it that the name can be sent, with lone surrogates in it too.
        shown = to_json(name[:_LONGEST_NAME])
        yield _error(shown, "unknown_field", f"There is no field {shown!r}")
    if len(unknown) > _MOST_UNKNOWN:
        more = f"{len(unknown) - _MOST_UNKNOWN} more unknown fields are not shown"
        yield FieldError(loc=["body", "form_data"], type="too_many_errors", msg=more)


def _error(name: str, kind: str, message: str) -> FieldError:
    return FieldError(loc=["body", "form_data", name], type=kind, msg=message)
