"""Dropdowns of a form: data providers asked as the form binds them, one at a time or for the whole form in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from shared.auth import Principal
from shared.errors import FieldError, ForbiddenError, InvalidInputError, NotFoundError
from shared.forms.bindings import resolve_inputs
from shared.forms.cascades import options_of_form
from shared.forms.checks import visible_fields
from shared.handlers.data_providers_handlers import provide_options
from shared.handlers.forms_handlers import get_form
from shared.models.data_providers import Option, ProviderOptions
from shared.models.forms import FormField, FormOptions, FormOptionsRequest, FormProviderRequest, FormSchema


async def provider_options(
    form_id: str, provider_name: str, body: FormProviderRequest, principal: Principal
) -> ProviderOptions:
    """The options of one of a form's data providers, with the inputs that the form binds it to.

    Raises:
        NotFoundError: there is no such form for this caller, or no field of it uses the provider.
        ForbiddenError: `no_cache` is for administrators.
        InvalidInputError: a field that the inputs depend on has no value yet, or inputs are wrong; each is named.
        ProviderFailedError, ProviderTimeoutError: see `provide_options`.
    """
    form = (await get_form(form_id, principal)).form
    if body.no_cache and not principal.is_platform_admin:
        raise ForbiddenError("noCache is for administrators")
    field = _field_with(form.form_schema, provider_name, body.field)
    bound = resolve_inputs(field, body.form_data, body.inputs)
    if bound.inputs is None:
        errors = [
            FieldError(loc=["body", "formData", name], type="missing", msg=f"{field.name} depends on it")
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

    async def load(name: str, inputs: Mapping[str, Any]) -> ProviderOptions:
        return await provide_options(name, inputs, principal)

    return FormOptions(fields=await options_of_form(schema, body.form_data, body.changed, load))


async def submitted_options(
    schema: FormSchema, form_data: Mapping[str, Any], principal: Principal
) -> dict[str, list[Option]]:
    """The current options of the dropdowns whose submitted values must be among them, by field.

    Raises:
        ProviderFailedError, ProviderTimeoutError: what the form promises can't be checked, so nothing is submitted.
    """
    fields = [
        field
        for field in visible_fields(schema, form_data)
        if field.data_provider is not None and field.strict_options and form_data.get(field.name) not in (None, "", [])
    ]

    async def options_of(field: FormField) -> list[Option]:
        assert field.data_provider is not None
        bound = resolve_inputs(field, form_data, {})
        if bound.inputs is None:
            # What it depends on was left out: nothing can have been chosen.
            return []
        return (await provide_options(field.data_provider, bound.inputs, principal)).options

    found = await asyncio.gather(*(options_of(field) for field in fields))
    return {field.name: options for field, options in zip(fields, found, strict=True)}


def _field_with(schema: FormSchema, provider_name: str, name: str | None) -> FormField:
    for field in schema.fields:
        if field.data_provider == provider_name and name in (None, field.name):
            return field
    which = f"field {name!r}" if name is not None else "field"
    raise NotFoundError(f"The form has no {which} that uses the data provider {provider_name!r}")
