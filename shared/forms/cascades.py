"""Fields that depend on each other: what each is worked out from, and in which order that can be done."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.errors import FieldError, InvalidInputError
from shared.forms.bindings import fields_behind
from shared.forms.expressions import ExpressionError, compile_expression
from shared.models.forms import FormField, FormSchema


class CyclicInputsError(InvalidInputError, ValueError):
    """Dropdowns wait for each other in a circle.

    Args:
        schema: the form's fields.
        names: the fields in the order of the circle, each depending on the next, the first one at the end again.
    """

    def __init__(self, schema: FormSchema, names: Sequence[str]) -> None:
        index = next(at for at, field in enumerate(schema.fields) if field.name == names[0])
        message = f"The inputs of the data providers form a circle: {' → '.join(names)}"
        loc: list[str | int] = ["body", "formSchema", "fields", index, "dataProviderInputs"]
        super().__init__(message, [FieldError(loc=loc, type="cycle", msg=message)])
        self.names = list(names)


def input_fields(field: FormField) -> set[str]:
    """The fields that the inputs of a field's provider refer to; an expression that does not compile refers to none."""
    if field.data_provider is None:
        return set()
    return {name for bound in field.data_provider_inputs.values() for name in fields_behind(bound)}


def visibility_fields(field: FormField) -> frozenset[str]:
    """The fields that a field's visibility refers to; none where that does not compile."""
    if field.visibility_expression is not None:
        with contextlib.suppress(ExpressionError):
            return compile_expression(field.visibility_expression).names
    return frozenset()


def check_cycles(schema: FormSchema) -> None:
    """Checks that no dropdown depends on itself, directly or by others.

    Raises:
        CyclicInputsError: one does; names all that take part.
    """
    order(schema)


def order(schema: FormSchema) -> list[list[FormField]]:
    """The fields by level: those of one level depend only on levels before it.

    Fields may show or hide each other in a circle: "show either". Of these the first in the form comes first, before
    fields that its visibility depends on.

    Raises:
        CyclicInputsError: as `check_cycles`.
    """
    left = {field.name: field for field in schema.fields}
    inputs = {name: input_fields(field) for name, field in left.items()}
    shows = {name: visibility_fields(field) for name, field in left.items()}
    levels: list[list[FormField]] = []
    while left:
        waiting = {name: sorted((inputs[name] | shows[name]) & left.keys()) for name in left}
        level = [field for name, field in left.items() if not waiting[name]] or [
            _first_of_circle(schema, left, inputs, waiting)
        ]
        levels.append(level)
        for field in level:
            del left[field.name]
    return levels


def depending_on(changed: Collection[str], levels: Sequence[Sequence[FormField]]) -> set[str]:
    """The fields that depend on one of these, directly or by others."""
    reached, found = set(changed), set[str]()
    fields = [field for level in levels for field in level]
    before = -1
    # More than once only where fields show each other in a circle.
    while before < len(found):
        before = len(found)
        for field in fields:
            if not reached.isdisjoint(input_fields(field) | visibility_fields(field)):
                found.add(field.name)
                reached.add(field.name)
    return found


def needed_for(names: Collection[str], schema: FormSchema) -> set[str]:
    """The fields that these depend on, directly or by others."""
    needs = {field.name: input_fields(field) | visibility_fields(field) for field in schema.fields}
    return _reached(names, needs)


def _reached(names: Iterable[str], needs: Mapping[str, Collection[str]]) -> set[str]:
    found: set[str] = set()
    left = list(names)
    while left:
        for need in needs.get(left.pop(), ()):
            if need not in found:
                found.add(need)
                left.append(need)
    return found


def _first_of_circle(
    schema: FormSchema,
    left: Mapping[str, FormField],
    inputs: Mapping[str, Collection[str]],
    waiting: Mapping[str, Collection[str]],
) -> FormField:
    """Of fields that all wait for each other, the first that waits for others to be shown, but for no input.

    Raises:
        CyclicInputsError: there is none, so that dropdowns wait for each other's values.
    """
    reached = {name: _reached([name], waiting) for name in left}
    # Those that wait for nobody who does not wait for them.
    circle = [name for name in left if all(name in reached[other] for other in reached[name])]
    for name in circle:
        if left.keys().isdisjoint(inputs[name]):
            return left[name]
    needs = {name: sorted(set(inputs[name]) & left.keys()) for name in left}
    raise _cycle(schema, next(iter(left)) if all(needs.values()) else circle[0], needs)


def _cycle(schema: FormSchema, first: str, needs: Mapping[str, Sequence[str]]) -> CyclicInputsError:
    """The error for fields of which each needs another of them: whoever goes on and on comes to one again."""
    path = [first]
    while True:
        following = needs[path[-1]][0]
        if following in path:
            return CyclicInputsError(schema, [*path[path.index(following) :], following])
        path.append(following)
