"""The data providers of a form, asked as whoever fills it in may ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.access.principal import Principal
from shared.errors import FunctionNotFoundError
from shared.forms.choices import Choices, is_offered, text_of
from shared.forms.fitting import as_chosen, choice_names
from shared.handlers.provider_options import ask_provider, find_providers, takes_input
from shared.models.data_providers import Option
from shared.models.forms import FormField, FormSchema
from shared.parameters.validation import plan_of
from shared.registry import DATA_PROVIDER, FunctionMetadata, get_registry

# A value that is not among the options at hand is looked for; so many of one field at most.
MOST_SEARCHES = 100


class FormProviders:
    """A form's data providers, each looked up once; see `Providers`.

    Args:
        found: by name; one that is gone is missing.
        principal: who asks.
        choices: the fields of the form whose values are choices.
    """

    def __init__(
        self, found: Mapping[str, FunctionMetadata], principal: Principal, choices: Collection[str] = ()
    ) -> None:
        self._found = found
        self._choices = choices
        self._principal = principal

    @classmethod
    async def of(cls, schema: FormSchema, principal: Principal) -> FormProviders:
        """Those of a form."""
        names = [field.data_provider for field in schema.fields if field.data_provider is not None]
        return cls(await find_providers(names), principal, choice_names(schema))

    def optional_inputs(self, field: FormField) -> Collection[str]:
        """The parameters that the field's provider can do without."""
        provider = self._found.get(field.data_provider or "")
        return plan_of(provider).validator.optional if provider is not None else ()

    def provider_of(self, field: FormField) -> FunctionMetadata:
        """The field's data provider.

        Raises:
            FunctionNotFoundError: it is gone.
        """
        provider = self._found.get(field.data_provider or "")
        if provider is None:
            raise FunctionNotFoundError(get_registry().why_missing(field.data_provider or "", DATA_PROVIDER))
        return provider

    def arguments_of(self, field: FormField, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The inputs as the field's provider is called with them: what was chosen in another field is not split.

        Raises:
            FunctionNotFoundError: the provider is gone.
        """
        bound = field.data_provider_inputs.items()
        chosen = [name for name, given in bound if given.mode == "fieldRef" and given.field_name in self._choices]
        return as_chosen(chosen, inputs, self.provider_of(field)) if chosen else inputs

    async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
        """What the field's provider gives, but for options whose value is empty: that is how a field is left empty.

        A provider that takes `search` gives a part of a long list only; it is asked for a value that is not in it.

        Raises:
            FunctionNotFoundError: the provider is gone.
            InvalidInputError: inputs are wrong; names the provider's parameters.
            ProviderFailedError, ProviderTimeoutError: see `ask_provider`.
        """
        provider = self.provider_of(field)
        inputs = self.arguments_of(field, inputs)
        options = offered((await ask_provider(provider, inputs, self._principal)).options)
        if value is None or "search" in inputs or not takes_input(provider, "search"):
            return options
        missing = Choices(options).missing(value)[:MOST_SEARCHES]
        answers = await asyncio.gather(
            *(ask_provider(provider, {**inputs, "search": text_of(each)}, self._principal) for each in missing)
        )
        found = (
            Choices(offered(answer.options)).option_of(each) for each, answer in zip(missing, answers, strict=True)
        )
        return [*options, *(option for option in found if option is not None)]


def offered(options: Sequence[Option]) -> Sequence[Option]:
    """The options that can be chosen."""
    return options if all(map(is_offered, options)) else [option for option in options if is_offered(option)]
