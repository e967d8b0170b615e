"""The inputs of a field's data provider, worked out from the form as it is stored and the values that it has now."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.values import is_empty
from shared.models.forms import FormField, ProviderInput

# What a user looks for, and how much of it: the form need not know of them.
FREE_INPUTS = frozenset({"search", "limit"})


@dataclass(frozen=True, slots=True)
class Bound:
    """Either `inputs`, or what is missing for them.

    Attributes:
        inputs: by parameter of the provider; None while something is missing.
        waiting_for: the empty fields that inputs depend on, in alphabetical order.
    """

    inputs: dict[str, Any] | None
    waiting_for: list[str]


def fields_behind(bound: ProviderInput) -> frozenset[str]:
    """The fields that an input is worked out from; an expression that does not compile refers to none."""
    if bound.mode == "fieldRef" and bound.field_name is not None:
        return frozenset({bound.field_name})
    if bound.mode == "expression" and bound.expression is not None:
        with contextlib.suppress(ExpressionError):
            return compile_expression(bound.expression).names
    return frozenset()


def resolve_inputs(
    field: FormField, values: Mapping[str, Any], given: Mapping[str, Any], optional: Collection[str] = ()
) -> Bound:
    """The inputs of a field's provider.

    `static` inputs always come from the form. A `fieldRef` is the field's value, or else the one in `given`, for
    clients that work inputs out by themselves. An `expression` is evaluated; null counts as empty. Of other parameters,
    callers can set `search` and `limit` only.

    Args:
        field: has a data provider.
        values: of the form's fields, by name; see `FormState.values`.
        given: inputs as a client sent them.
        optional: the parameters that the provider can do without: they are left out while their fields are empty.

    Raises:
        ExpressionError: an expression does not compile, or fails though all its fields are filled in.
    """
    inputs = {name: value for name, value in given.items() if name in FREE_INPUTS}
    waiting_for: set[str] = set()
    for parameter, bound in field.data_provider_inputs.items():
        value, missing = _resolve(bound, values, given.get(parameter))
        inputs.pop(parameter, None)
        if parameter in optional and (missing or value is None):
            continue
        if not missing:
            inputs[parameter] = value
        waiting_for |= missing
    return Bound(None if waiting_for else inputs, sorted(waiting_for))


def refused_inputs(
    error: InvalidInputError, field: FormField, values: Mapping[str, Any], given: Collection[str] = ()
) -> InvalidInputError:
    """The refusal of a provider's inputs, in terms of the form: each of them by the fields that it comes from.

    Args:
        error: names the provider's parameters.
        field: has the provider.
        values: of the form's fields.
        given: the parameters that a client sent inputs for: named as these where the form has none. What comes from
            nowhere else is named by the dropdown itself.
    """
    errors: list[FieldError] = []
    for problem in error.errors:
        parameter = str(next(iter(problem["loc"]), ""))
        bound = field.data_provider_inputs.get(parameter)
        names = sorted(name for name in fields_behind(bound) if name in values) if bound is not None else []
        places = [["body", "form_data", name] for name in names]
        if not places:
            places = [["body", "inputs", parameter] if parameter in given else ["body", "form_data", field.name]]
        errors += [FieldError(loc=[*place], type=problem["type"], msg=problem["msg"]) for place in places]
    first = f": {errors[0]['loc'][-1]}: {errors[0]['msg']}" if errors else ""
    return InvalidInputError(f"The options of {field.label or field.name} can't be worked out{first}", errors)


def _resolve(bound: ProviderInput, values: Mapping[str, Any], given: Any) -> tuple[Any, set[str]]:
    """The value, and the fields that it waits for."""
    if bound.mode == "static":
        return bound.value, set()
    if bound.mode == "fieldRef":
        assert bound.field_name is not None
        value = values.get(bound.field_name)
        value = given if is_empty(value) else value
        return value, {bound.field_name} if is_empty(value) else set()
    assert bound.expression is not None
    expression = compile_expression(bound.expression)
    empty = {name for name in expression.names if is_empty(values.get(name))}
    try:
        value = expression.evaluate(values)
    except ValueError:
        if not empty:
            raise
        value = None
    return value, empty if is_empty(value) else set()
