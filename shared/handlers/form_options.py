"""Dropdowns of a form: data providers asked as the form binds them, one at a time or for the whole form in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from shared.access.principal import Principal
from shared.errors import FieldError, ForbiddenError, InvalidInputError, NotFoundError
from shared.forms.bindings import FREE_INPUTS, Bound, resolve_inputs
from shared.forms.cascades import FieldOptions, options_of_form
from shared.forms.checks import visible_fields
from shared.forms.choices import Choices
from shared.forms.expressions import Budget, ExpressionError
from shared.forms.values import filled_values
from shared.handlers.data_providers_handlers import provide_options, provider_metadata
from shared.handlers.forms_handlers import get_form
from shared.models.base import ApiModel
from shared.models.data_providers import Option, ProviderOptions
from shared.models.forms import FormField, FormOptionsRequest, FormProviderRequest, FormSchema
from shared.parameters.validation import plan_of

# A value that is not among the options at hand is looked for; so many of one field at most.
_MOST_SEARCHES = 20


class FormOptions(ApiModel):
    """The dropdowns that were asked for, in the form's order."""

    fields: list[FieldOptions]


async def provider_options(
    form_id: str, provider_name: str, body: FormProviderRequest, principal: Principal
) -> ProviderOptions:
    """The options of one of a form's data providers, with the inputs that the form binds it to.

    `search` and `limit` are passed on to a provider that takes them.

    Raises:
        NotFoundError: there is no such form for this caller, or no field of it uses the provider.
        ForbiddenError: `no_cache` is for administrators.
        InvalidInputError: a field that the inputs depend on has no value yet, or inputs are wrong; each is named.
        ProviderFailedError, ProviderTimeoutError: see `provide_options`.
    """
    schema = (await get_form(form_id, principal)).form.form_schema
    if body.no_cache and not principal.is_platform_admin:
        raise ForbiddenError("noCache is for administrators")
    field = _field_with(schema, provider_name, body.field)
    metadata = await provider_metadata(provider_name)
    given = {
        name: value
        for name, value in body.inputs.items()
        if name not in FREE_INPUTS or (metadata is not None and plan_of(metadata).validator.takes(name))
    }
    bound = _bound(field, filled_values(schema, body.form_data), given, Budget())
    if bound.inputs is None:
        errors = [
            FieldError(loc=["body", "form_data", name], type="missing", msg=f"{field.name} depends on it")
            for name in bound.waiting_for
        ]
        raise InvalidInputError(f"{field.name} waits for {', '.join(bound.waiting_for)}", errors)
    return await provide_options(provider_name, bound.inputs, principal, no_cache=body.no_cache)


async def all_options(form_id: str, body: FormOptionsRequest, principal: Principal) -> FormOptions:
    """The options and the state of every field that depends on what was changed; of all dropdowns if nothing was.

    Raises:
        NotFoundError: there is no such form for this caller.
    """
    schema = (await get_form(form_id, principal)).form.form_schema

    async def load(field: FormField, inputs: Mapping[str, Any]) -> Sequence[Option]:
        assert field.data_provider is not None
        return (await provide_options(field.data_provider, inputs, principal)).options

    return FormOptions(fields=await options_of_form(schema, body.form_data, body.changed, load))


async def submitted_options(
    schema: FormSchema, form_data: Mapping[str, Any], principal: Principal
) -> dict[str, list[Option]]:
    """The current options of the dropdowns that are filled in and must have one of them, by field.

    A provider that takes `search` gives a part of a long list only; it is asked for a value that is not in it.

    Raises:
        InvalidInputError: inputs of a provider are wrong.
        ProviderFailedError, ProviderTimeoutError: what the form promises can't be checked, so nothing is submitted.
    """
    values = filled_values(schema, form_data)
    budget = Budget()
    fields = [
        field
        for field in visible_fields(schema, form_data, budget)
        if field.data_provider is not None and field.strict_options and field.name in values
    ]
    found = await asyncio.gather(*(_options_for(field, values, principal, budget) for field in fields))
    return {field.name: options for field, options in zip(fields, found, strict=True)}


async def _options_for(
    field: FormField, values: Mapping[str, Any], principal: Principal, budget: Budget
) -> list[Option]:
    name = field.data_provider
    assert name is not None
    inputs = _bound(field, values, {}, budget).inputs
    if inputs is None:
        # What it depends on was left out: nothing can have been chosen.
        return []
    options = (await provide_options(name, inputs, principal)).options
    metadata = await provider_metadata(name)
    if "search" in inputs or metadata is None or not plan_of(metadata).validator.takes("search"):
        return options
    value = values[field.name]
    chosen = cast("list[Any]", value) if isinstance(value, list) else [value]
    choices = Choices(options)
    searched = [each for each in chosen if isinstance(each, str) and not choices.find(each)[0]][:_MOST_SEARCHES]
    answers = await asyncio.gather(*(provide_options(name, {**inputs, "search": text}, principal) for text in searched))
    return [*options, *(option for answer in answers for option in answer.options)]


def _bound(field: FormField, values: Mapping[str, Any], given: Mapping[str, Any], budget: Budget) -> Bound:
    try:
        return resolve_inputs(field, values, given, budget=budget)
    except ExpressionError as error:
        message = f"The inputs of {field.name} can't be worked out: {error}"
        errors = [FieldError(loc=["body", "form_data", field.name], type="expression", msg=message)]
        raise InvalidInputError(message, errors) from None


def _field_with(schema: FormSchema, provider_name: str, name: str | None) -> FormField:
    for field in schema.fields:
        if field.data_provider == provider_name and name in (None, field.name):
            return field
    which = f"field {name!r}" if name is not None else "field"
    raise NotFoundError(f"The form has no {which} that uses the data provider {provider_name!r}")
