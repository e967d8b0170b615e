"""Dropdowns that depend on each other: in which order their providers run, and the options of all of them in one go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, cast

from shared.errors import FieldError, InvalidInputError, PlatformError
from shared.forms.bindings import resolve_inputs
from shared.forms.choices import Choices
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.state import FormState
from shared.models.data_providers import Option
from shared.models.forms import FieldOptions, FormField, FormSchema, ProviderInput

Load = Callable[[FormField, Mapping[str, Any]], Awaitable[Sequence[Option]]]


class CyclicInputsError(InvalidInputError, ValueError):
    """Dropdowns wait for each other in a circle.

    Args:
        index: where in the form the first of them stands, from 0.
        names: the fields in the order of the circle, each depending on the next, the first one at the end again.
    """

    def __init__(self, index: int, names: Sequence[str]) -> None:
        message = f"The inputs of the data providers form a circle: {' → '.join(names)}"
        loc: list[str | int] = ["body", "formSchema", "fields", index, "dataProviderInputs"]
        super().__init__(message, [FieldError(loc=loc, type="cycle", msg=message)])
        self.names = list(names)


def dependencies(field: FormField) -> set[str]:
    """The fields that the inputs of a field's provider refer to; an expression that does not compile refers to none."""
    if field.data_provider is None:
        return set()
    return {name for bound in field.data_provider_inputs.values() for name in _names_in(bound)}


def check_cycles(schema: FormSchema) -> None:
    """Checks that no dropdown depends on itself, directly or by others.

    Raises:
        CyclicInputsError: one does; names all that take part.
    """
    order(schema)


def order(schema: FormSchema) -> list[list[FormField]]:
    """The fields with a data provider by level: those of one level depend only on levels before it.

    Raises:
        CyclicInputsError: as `check_cycles`.
    """
    left = {field.name: field for field in schema.fields if field.data_provider is not None}
    needs = {name: sorted(dependencies(field) & left.keys()) for name, field in left.items()}
    levels: list[list[FormField]] = []
    while left:
        level = [field for name, field in left.items() if not any(need in left for need in needs[name])]
        if not level:
            raise _cycle(schema, {name: [need for need in needs[name] if need in left] for name in left})
        levels.append(level)
        for field in level:
            del left[field.name]
    return levels


async def options_of_form(state: FormState, changed: Collection[str], load: Load) -> list[FieldOptions]:
    """The options of a form's dropdowns with the values that the form has now, however deep the cascade is.

    A value that is no longer among the options of its field counts as empty for the fields that depend on it. So does
    one whose field waits; the value of a field whose provider fails is taken as it is. Providers that do not depend on
    each other run side by side, and one that fails fails for its own field only.

    Args:
        state: what the form has now; hidden fields count as others.
        changed: the fields that the user changed: only what depends on them, directly or not, is looked at. Empty: all.
        load: runs a field's provider with these inputs.

    Returns:
        In the order in which the form has the fields.

    Raises:
        CyclicInputsError: as `check_cycles`.
    """
    levels = order(state.schema)
    wanted = _depending_on(set(changed), levels) if changed else {field.name for level in levels for field in level}
    values = dict(state.values)
    found: dict[str, FieldOptions] = {}
    for level in levels:
        fields = [field for field in level if field.name in wanted]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_options_of(field, values, load)) for field in fields]
        for task in tasks:
            own, value = task.result()
            found[own.name] = own
            values[own.name] = value
    return [found[field.name] for field in state.schema.fields if field.name in found]


async def _options_of(field: FormField, values: Mapping[str, Any], load: Load) -> tuple[FieldOptions, Any]:
    """The field's options, and the value that it has for those that depend on it."""
    value = values.get(field.name)
    try:
        bound = resolve_inputs(field, values, {})
        if bound.inputs is None:
            waiting = FieldOptions(
                name=field.name, state="waiting", waiting_for=bound.waiting_for, value_fits=value is None
            )
            return waiting, None
        options = await load(field, bound.inputs)
    except (PlatformError, ExpressionError) as error:
        return FieldOptions(name=field.name, state="error", message=str(error)), value
    fits, value = _fitting(field, value, options)
    # Nothing of them is to be validated again, and lists may be long.
    ready = FieldOptions.model_construct(name=field.name, state="ready", options=list(options), value_fits=fits)
    return ready, value


def _fitting(field: FormField, value: Any, options: Sequence[Option]) -> tuple[bool, Any]:
    """Whether the value is still a choice, and the value as the options have it."""
    if value is None or not field.strict_options:
        return True, value
    choices = Choices(options)
    if not field.multiple:
        return choices.find(value)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    meant = [choices.find(item) for item in items]
    fits = all(is_among for is_among, _ in meant)
    return fits, [own for _, own in meant] if fits else None


def _depending_on(changed: set[str], levels: Sequence[Sequence[FormField]]) -> set[str]:
    reached = set(changed)
    found: set[str] = set()
    for level in levels:
        for field in level:
            if dependencies(field) & reached:
                found.add(field.name)
                reached.add(field.name)
    return found


def _names_in(bound: ProviderInput) -> frozenset[str]:
    if bound.mode == "fieldRef" and bound.field_name is not None:
        return frozenset({bound.field_name})
    if bound.mode == "expression" and bound.expression is not None:
        with contextlib.suppress(ExpressionError):
            return compile_expression(bound.expression).names
    return frozenset()


def _cycle(schema: FormSchema, needs: Mapping[str, Sequence[str]]) -> CyclicInputsError:
    """The error for fields of which each needs another of them: whoever goes on and on comes to one again."""
    path = [next(iter(needs))]
    while True:
        following = needs[path[-1]][0]
        if following in path:
            names = [*path[path.index(following) :], following]
            index = next(at for at, field in enumerate(schema.fields) if field.name == names[0])
            return CyclicInputsError(index, names)
        path.append(following)
