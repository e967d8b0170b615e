"""Dropdowns of a form: data providers asked as the form binds them, one at a time or for the whole form in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.access.principal import Principal
from shared.errors import FieldError, ForbiddenError, InvalidInputError, NotFoundError
from shared.forms.bindings import FREE_INPUTS
from shared.forms.cascades import options_of_form
from shared.forms.state import FormState
from shared.handlers.form_access import find_form
from shared.handlers.provider_options import ask_provider, find_provider, provide_options, takes_input
from shared.models.data_providers import Option, ProviderOptions
from shared.models.forms import FormField, FormOptions, FormOptionsRequest, FormProviderRequest, FormSchema


async def get_provider_options(
    form_id: str, provider_name: str, body: FormProviderRequest, principal: Principal
) -> ProviderOptions:
    """The options of one of a form's data providers, with the inputs that the form binds it to.

    `search` and `limit` are passed on to a provider that takes them.

    Raises:
        NotFoundError: there is no such form for this caller, no field of it uses the provider, or that is gone.
        ForbiddenError: `no_cache` is for administrators.
        InvalidInputError: a field that the inputs depend on has no value yet, or inputs are wrong; each is named.
        ProviderFailedError, ProviderTimeoutError: see `ask_provider`.
    """
    schema = (await find_form(form_id, principal)).form.form_schema
    if body.no_cache and not principal.is_platform_admin:
        raise ForbiddenError("noCache is for administrators")
    field = _field_with(schema, provider_name, body.field)
    provider = await find_provider(provider_name)
    given = {
        name: value for name, value in body.inputs.items() if name not in FREE_INPUTS or takes_input(provider, name)
    }
    bound = FormState(schema, body.form_data).inputs_of(field, given)
    if bound.inputs is None:
        errors = [
            FieldError(loc=["body", "form_data", name], type="missing", msg=f"{field.name} depends on it")
            for name in bound.waiting_for
        ]
        raise InvalidInputError(f"{field.name} waits for {', '.join(bound.waiting_for)}", errors)
    return await ask_provider(provider, bound.inputs, principal, no_cache=body.no_cache)


async def get_form_options(form_id: str, body: FormOptionsRequest, principal: Principal) -> FormOptions:
    """The options and the state of every field that depends on what was changed; of all dropdowns if nothing was.

    Raises:
        NotFoundError: there is no such form for this caller.
    """
    schema = (await find_form(form_id, principal)).form.form_schema

    async def load(field: FormField, inputs: Mapping[str, Any]) -> Sequence[Option]:
        assert field.data_provider is not None
        return (await provide_options(field.data_provider, inputs, principal)).options

    return FormOptions(fields=await options_of_form(FormState(schema, body.form_data), body.changed, load))


def _field_with(schema: FormSchema, provider_name: str, name: str | None) -> FormField:
    for field in schema.fields:
        if field.data_provider == provider_name and name in (None, field.name):
            return field
    which = f"field {name!r}" if name is not None else "field"
    raise NotFoundError(f"The form has no {which} that uses the data provider {provider_name!r}")
