"""Submitted values held against a form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.choices import WrongValueError
from shared.forms.expressions import ExpressionError
from shared.forms.problems import has_problems
from shared.forms.state import FormState
from shared.forms.values import emptied
from shared.models.forms import DISPLAY_TYPES, FormField
from shared.serialization import to_json
from shared.suggestions import did_you_mean

# A million unknown names must not become a million errors, nor a name of megabytes an answer.
_MOST_UNKNOWN = 50
_LONGEST_NAME = 100


Place = tuple[str, ...]
Admits = Callable[[str, Any], bool]
"""Whether the workflow takes this value for its parameter of this name."""


def submitted_values(state: FormState, admits: Admits) -> dict[str, Any]:
    """The values as the workflow gets them, by field, in the form's order; see `values_to_pass_on`.

    Hidden fields are not required, nor is a field with an expression that does not compile. A `required` checkbox must
    be checked.

    Args:
        state: what was submitted, with every dropdown that is filled in looked at.
        admits: as the linked workflow has it.

    Raises:
        InvalidInputError: names every field that is wrong, missing or unknown, at `["body", "form_data", NAME]`.
        PlatformError: a data provider failed, so that a choice can't be checked.
    """
    errors = list(_unknown_fields(state))
    for field in state.visible:
        found = problems_of_value(state, field)
        if not found and field.required and field.type not in DISPLAY_TYPES and not has_problems(field):
            is_checkbox = field.type == "checkbox"
            if state.values.get(field.name) is not True if is_checkbox else field.name not in state.values:
                what = "must be checked" if is_checkbox else "is required"
                found = [_error(field.name, "missing", f"{field.label or field.name} {what}")]
        errors += (error for error in found if error not in errors)
    if errors:
        raise _refusal(errors)
    return values_to_pass_on(state, admits)


def values_to_pass_on(state: FormState, admits: Admits) -> dict[str, Any]:
    """The values of a form's fields for a workflow.

    Hidden fields are left out with whatever was sent for them, and so are fields that nothing was sent for, unless they
    have a default. A field that its user emptied, and a checkbox that was not sent, are passed on as empty and as false
    where the workflow admits that.
    """
    found: dict[str, Any] = {}
    for field in state.visible:
        name = field.name
        if name in state.values and name not in state.unchecked:
            found[name] = state.values[name]
        elif name in state.unchecked or name in state.form_data:
            empty = False if name in state.unchecked else emptied(field, state.form_data[name])
            if admits(name, empty):
                found[name] = empty
    return found


def problems_of_value(state: FormState, field: FormField) -> list[FieldError]:
    """What is wrong with the value of a field that shows, each at its place.

    Raises:
        PlatformError: its data provider failed, so that its choice can't be checked.
    """
    if field.name in state.wrong:
        wrong = state.wrong[field.name]
        return [_error(field.name, wrong.kind, wrong.message_of(field))]
    dropdown = state.dropdowns.get(field.name)
    if dropdown is None:
        return []
    if isinstance(dropdown.error, InvalidInputError):
        return dropdown.error.errors
    if isinstance(dropdown.error, ExpressionError):
        return [inputs_problem(field, dropdown.error)]
    if dropdown.error is not None:
        raise dropdown.error
    if dropdown.fits:
        return []
    wrong = WrongValueError("option", "Input should be one of the options")
    return [_error(field.name, wrong.kind, wrong.message_of(field))]


def inputs_problem(field: FormField, error: ExpressionError) -> FieldError:
    """What is wrong where the inputs of a field's data provider can't be worked out."""
    return _error(field.name, "expression", f"The inputs of {field.name} can't be worked out: {error}")


def refused_by_workflow(error: InvalidInputError, places: Mapping[str, Place]) -> InvalidInputError:
    """A workflow's refusal of its parameters, in terms of what was sent.

    Args:
        error: names the workflow's parameters.
        places: where the value of a parameter stands in the request, without its name.
    """
    errors: list[FieldError] = []
    for each in error.errors:
        place = places.get(str(next(iter(each["loc"]), "")), ())
        errors.append(FieldError(loc=[*place, *each["loc"]], type=each["type"], msg=each["msg"]))
    return error if errors == error.errors else _refusal(errors)


def _refusal(errors: Sequence[FieldError]) -> InvalidInputError:
    # `["body", "form_data", NAME, …]`, or a parameter's own name.
    places = [error["loc"][2:3] or error["loc"][:1] for error in errors]
    names = ", ".join(dict.fromkeys(str(place[0]) for place in places if place))
    return InvalidInputError(f"The form is not filled in correctly: {names}", errors)


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
