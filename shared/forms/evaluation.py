"""A form worked out: what shows, what is filled in, what each dropdown offers. Once, and the same for whoever asks.

Fields are settled in the order of what they depend on. A hidden field and a choice that is no longer one are empty for
those behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, cast

from shared.errors import InvalidInputError, PlatformError
from shared.forms.bindings import refused_inputs
from shared.forms.cascades import depending_on, needed_for, order
from shared.forms.choices import Choices
from shared.forms.expressions import ExpressionError
from shared.forms.state import Dropdown, FormState, is_strict
from shared.models.data_providers import Option
from shared.models.forms import FieldOptions, FormField, FormOptions, FormSchema


class Providers(Protocol):
    """The data providers of a form, as whoever fills it in may ask them."""

    def optional_inputs(self, field: FormField) -> Collection[str]:
        """The parameters that the field's provider can do without."""
        ...

    async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
        """What the field's provider gives.

        Args:
            field: has a data provider.
            inputs: the provider's.
            value: a choice that is to be among the options if the provider has it at all; None for none.

        Raises:
            PlatformError: it failed, is gone, or does not take the inputs.
        """
        ...


async def evaluate(
    schema: FormSchema,
    form_data: Mapping[str, Any],
    providers: Providers,
    *,
    listed: Collection[str] = (),
    checked: Collection[str] | None = None,
) -> FormState:
    """What a form comes to with these values.

    Providers that do not depend on each other run side by side. One that fails fails for its own field only, whose
    value is then taken as it is.

    Args:
        schema: the form's fields.
        form_data: the values as they were sent, by field name.
        providers: run for the dropdowns that show.
        listed: the dropdowns whose options are wanted.
        checked: the dropdowns whose values are held against their options; None for all. Only strict ones are that
            are filled in.

    Raises:
        CyclicInputsError: dropdowns wait for each other's values.
    """
    state = FormState(schema, form_data)
    for level in order(schema):
        for field in level:
            state.settle(field)
        asked = [field for field in level if _is_asked(state, field, listed, checked)]
        answers = await asyncio.gather(*(_ask(state, field, providers) for field in asked))
        for field, (dropdown, value) in zip(asked, answers, strict=True):
            state.choose(field, dropdown, value)
    return state


async def options_of_form(
    schema: FormSchema, form_data: Mapping[str, Any], changed: Collection[str], providers: Providers
) -> FormOptions:
    """Which fields of a form show, and the options of its dropdowns, however deep the cascade is.

    Args:
        schema, form_data, providers: as in `evaluate`.
        changed: the fields that the user changed: options are given for what depends on them, directly or not. Empty:
            for all.

    Raises:
        CyclicInputsError: as `evaluate`.
    """
    dropdowns = [field for field in schema.fields if field.data_provider is not None]
    wanted = {field.name for field in dropdowns}
    if changed:
        wanted &= depending_on(changed, order(schema))
    conditional = [field.name for field in schema.fields if field.visibility_expression is not None]
    state = await evaluate(
        schema, form_data, providers, listed=wanted, checked=needed_for([*wanted, *conditional], schema)
    )
    return FormOptions(
        fields=[_shown(state, field) for field in dropdowns if field.name in wanted],
        visible={field.name: field.name not in state.hidden for field in schema.fields},
    )


def _is_asked(state: FormState, field: FormField, listed: Collection[str], checked: Collection[str] | None) -> bool:
    if field.data_provider is None or field.name in state.hidden:
        return False
    if field.name in listed:
        return True
    return is_strict(field) and field.name in state.values and (checked is None or field.name in checked)


async def _ask(state: FormState, field: FormField, providers: Providers) -> tuple[Dropdown, Any]:
    """The field's options, and the value that it has by them."""
    value = state.values.get(field.name)
    must_fit = is_strict(field) and value is not None
    try:
        bound = state.inputs_of(field, {}, providers.optional_inputs(field))
        if bound.inputs is None:
            return Dropdown(waiting_for=bound.waiting_for, fits=not must_fit), None if must_fit else value
        options = await providers.options(field, bound.inputs, value if must_fit else None)
    except InvalidInputError as error:
        return Dropdown(error=refused_inputs(error, field, state.values)), value
    except (PlatformError, ExpressionError) as error:
        return Dropdown(error=error), value
    if not must_fit:
        return Dropdown(options), value
    fits, chosen = _chosen(field, value, options)
    return Dropdown(options, fits=fits), chosen


def _chosen(field: FormField, value: Any, options: Sequence[Option]) -> tuple[bool, Any]:
    """Whether the value is among the options, and the value as these have it."""
    choices = Choices(options)
    if not field.multiple:
        return choices.find(value)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    meant = [choices.find(item) for item in items]
    fits = all(is_among for is_among, _ in meant)
    return fits, [own for _, own in meant] if fits else None


def _shown(state: FormState, field: FormField) -> FieldOptions:
    if field.name in state.hidden:
        return FieldOptions(name=field.name, state="hidden", visible=False)
    found = state.dropdowns[field.name]
    if found.error is not None:
        return FieldOptions(name=field.name, state="error", message=str(found.error))
    if found.waiting_for:
        return FieldOptions(name=field.name, state="waiting", waiting_for=[*found.waiting_for], value_fits=found.fits)
    # Nothing of them is to be validated again, and lists may be long.
    return FieldOptions.model_construct(name=field.name, state="ready", options=[*found.options], value_fits=found.fits)
