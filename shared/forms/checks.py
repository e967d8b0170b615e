"""Submitted values held against a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.choices import Choices, WrongValueError
from shared.forms.problems import has_problems
from shared.forms.state import FormState
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES
from shared.serialization import to_json
from shared.suggestions import did_you_mean

# A million unknown names must not become a million errors, nor a name of megabytes an answer.
_MOST_UNKNOWN = 50
_LONGEST_NAME = 100
_NO_CHOICES = Choices(())


def submitted_values(state: FormState, choices: Mapping[str, Choices]) -> dict[str, Any]:
    """The values as the workflow gets them, by field, in the form's order.

    Empty fields are left out, and so are hidden ones with whatever was sent for them. A `required` checkbox must be
    sent, and may be false. A field with an expression that does not compile is not required.

    Args:
        state: what was submitted.
        choices: by field name, what the provider of a field with `strictOptions` gives now. A field that is missing
            here has no options, so that no value of it is right.

    Raises:
        InvalidInputError: names every field that is wrong, missing or unknown, at `["body", "form_data", NAME]`.
    """
    errors = list(_unknown_fields(state))
    submitted: dict[str, Any] = {}
    for field in state.visible:
        if field.name not in state.values:
            if field.required and field.type not in DISPLAY_TYPES and not has_problems(field):
                errors.append(_error(field.name, "missing", f"{field.label or field.name} is required"))
            continue
        value = state.values[field.name]
        try:
            if field.name in state.wrong:
                raise state.wrong[field.name]
            if field.data_provider is not None and field.strict_options and field.type in CHOICE_TYPES:
                own = choices.get(field.name, _NO_CHOICES)
                value = own.choose_all(value) if field.multiple else own.choose(value)
        except WrongValueError as error:
            errors.append(_error(field.name, error.kind, error.message_of(field)))
        else:
            submitted[field.name] = value
    if errors:
        names = ", ".join(str(error["loc"][-1]) for error in errors)
        raise InvalidInputError(f"The form is not filled in correctly: {names}", errors)
    return submitted


def _unknown_fields(state: FormState) -> Iterator[FieldError]:
    known = {field.name for field in state.schema.fields if field.type not in DISPLAY_TYPES}
    unknown = [name for name in state.form_data if name not in known]
    for name in unknown[:_MOST_UNKNOWN]:
        # The serializer sees to it that the name can be sent, with lone surrogates in it too.
        shown = to_json(name[:_LONGEST_NAME])
        yield _error(shown, "unknown_field", f"There is no field {shown!r}{did_you_mean(name, known)}")
    if len(unknown) > _MOST_UNKNOWN:
        more = f"{len(unknown) - _MOST_UNKNOWN} more unknown fields are not shown"
        yield FieldError(loc=["body", "form_data"], type="too_many_errors", msg=more)


def _error(name: str, kind: str, message: str) -> FieldError:
    return FieldError(loc=["body", "form_data", name], type=kind, msg=message)
