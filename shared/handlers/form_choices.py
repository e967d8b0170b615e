"""What the dropdowns of a submitted form may be, as their providers say now."""

from __future__ import annotations

import asyncio

from shared.access.principal import Principal
from shared.forms.choices import Choices
from shared.forms.state import BoundDropdown, FormState
from shared.handlers.provider_options import ask_provider, find_providers, takes_input

# A value that is not among the options at hand is looked for; so many of one field at most.
_MOST_SEARCHES = 20


async def current_choices(state: FormState, principal: Principal) -> dict[str, Choices]:
    """The choices of a form's strict dropdowns, by field.

    A provider that takes `search` gives a part of a long list only; it is asked for a value that is not in it.

    Raises:
        InvalidInputError: inputs of a provider are wrong.
        FunctionNotFoundError: a provider is gone.
        ProviderFailedError, ProviderTimeoutError: what the form promises can't be checked, so nothing is submitted.
    """
    dropdowns = state.strict_dropdowns()
    providers = await find_providers([dropdown.provider for dropdown in dropdowns])
    answers = await asyncio.gather(
        *(ask_provider(providers[each.provider], each.inputs, principal) for each in dropdowns)
    )
    choices: dict[str, Choices] = {}
    searches: list[tuple[BoundDropdown, str]] = []
    for dropdown, answer in zip(dropdowns, answers, strict=True):
        choices[dropdown.name] = Choices(answer.options)
        missing = choices[dropdown.name].missing(state.values[dropdown.name])
        if missing and "search" not in dropdown.inputs and takes_input(providers[dropdown.provider], "search"):
            searches += ((dropdown, text) for text in missing[:_MOST_SEARCHES])
    found = await asyncio.gather(
        *(ask_provider(providers[each.provider], {**each.inputs, "search": text}, principal) for each, text in searches)
    )
    for (dropdown, _), answer in zip(searches, found, strict=True):
        choices[dropdown.name].add(answer.options)
    return choices
