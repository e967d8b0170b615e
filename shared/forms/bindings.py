"""The inputs of a field's data provider, worked out from the form as it is stored and the values that it has now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.forms.expressions import compile_expression
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


def resolve_inputs(field: FormField, values: Mapping[str, Any], given: Mapping[str, Any]) -> Bound:
    """The inputs of a field's provider.

    `static` inputs always come from the form. A `fieldRef` is the field's value, or else the one in `given`, for
    clients that work inputs out by themselves. An `expression` is evaluated; null counts as empty. Of other parameters,
    callers can set `search` and `limit` only.

    Args:
        field: has a data provider.
        values: of the form's fields, by name; see `FormState.values`.
        given: inputs as a client sent them.

    Raises:
        ExpressionError: an expression does not compile, or fails though all its fields are filled in.
    """
    inputs = {name: value for name, value in given.items() if name in FREE_INPUTS}
    waiting_for: set[str] = set()
    for parameter, bound in field.data_provider_inputs.items():
        value, missing = _resolve(bound, values, given.get(parameter))
        inputs.pop(parameter, None)
        if not missing:
            inputs[parameter] = value
        waiting_for |= missing
    return Bound(None if waiting_for else inputs, sorted(waiting_for))


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
