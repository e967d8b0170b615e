"""Dropdowns of a form: data providers asked as the form binds them, one at a time or for the whole form in one call."""

from __future__ import annotations

from collections.abc import Sequence

from shared.access.principal import Principal
from shared.errors import FieldError, ForbiddenError, InvalidInputError, NotFoundError
from shared.forms.bindings import FREE_INPUTS, refused_inputs
from shared.forms.cascades import needed_for
from shared.forms.checks import inputs_problem
from shared.forms.evaluation import evaluate, options_of_form
from shared.forms.expressions import ExpressionError
from shared.handlers.form_access import find_form
from shared.handlers.form_providers import FormProviders, offered
from shared.handlers.provider_options import ask_provider, takes_input
from shared.models.data_providers import ProviderOptions
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
    providers = await FormProviders.of(schema, principal)
    provider = providers.provider_of(field)
    given = {
        name: value for name, value in body.inputs.items() if name not in FREE_INPUTS or takes_input(provider, name)
    }
    state = await evaluate(schema, body.form_data, providers, checked=needed_for([field.name], schema))
    try:
        bound = state.inputs_of(field, given, providers.optional_inputs(field))
    except ExpressionError as error:
        problem = inputs_problem(field, error)
        raise InvalidInputError(problem["msg"], [problem]) from None
    if bound.inputs is None:
        raise _waits(field, bound.waiting_for)
    try:
        inputs = providers.arguments_of(field, bound.inputs)
        answer = await ask_provider(provider, inputs, principal, no_cache=body.no_cache)
    except InvalidInputError as error:
        raise refused_inputs(error, field, state.values, given) from None
    return answer.model_copy(update={"options": [*offered(answer.options)]})


async def get_form_options(form_id: str, body: FormOptionsRequest, principal: Principal) -> FormOptions:
    """Which fields show, and the options and the state of every dropdown that depends on what was changed; of all if
    nothing was.

    Raises:
        NotFoundError: there is no such form for this caller.
        InvalidInputError: what was changed is no field of the form; each is named.
    """
    schema = (await find_form(form_id, principal)).form.form_schema
    known = {field.name for field in schema.fields}
    errors = [
        FieldError(loc=["body", "changed", index], type="unknown_field", msg=f"There is no field {name!r}")
        for index, name in enumerate(body.changed)
        if name not in known
    ]
    if errors:
        raise InvalidInputError("; ".join(error["msg"] for error in errors), errors)
    return await options_of_form(schema, body.form_data, body.changed, await FormProviders.of(schema, principal))


def _waits(field: FormField, waiting_for: Sequence[str]) -> InvalidInputError:
    errors = [
        FieldError(loc=["body", "form_data", name], type="missing", msg=f"{field.name} depends on it")
        for name in waiting_for
    ]
    return InvalidInputError(f"{field.name} waits for {', '.join(waiting_for)}", errors)


def _field_with(schema: FormSchema, provider_name: str, name: str | None) -> FormField:
    for field in schema.fields:
        if field.data_provider == provider_name and name in (None, field.name):
            return field
    which = f"field {name!r}" if name is not None else "field"
    raise NotFoundError(f"The form has no {which} that uses the data provider {provider_name!r}")
