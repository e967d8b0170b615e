"""Stored forms that have problems: shown with each form, and for administrators in the app's health."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from shared.forms.problems import problems_of
from shared.models.forms import Form
from shared.models.health import FormWithProblems
from shared.repositories.forms import FormRepository
from shared.ttl_cache import TtlCache

_TTL_SECONDS = 60.0
# Of one scope; the forms themselves say it too.
MOST_FORMS = 100


def with_problems(form: Form) -> Form:
    """The form, with what no longer holds in it."""
    problems = problems_of(form.form_schema)
    return form.model_copy(update={"problems": problems}) if problems else form


async def all_with_problems(forms: Iterable[Form]) -> list[Form]:
    """The forms, each with what no longer holds in it."""
    found: list[Form] = []
    for form in forms:
        found.append(with_problems(form))
        # A new expression takes a fifth of a millisecond, and the forms of a scope may have thousands.
        await asyncio.sleep(0)
    return found


class ProblemIndex:
    """The forms of each scope that have problems, as they were within the last minute: to find them, all forms of the
    scope are read, which is too much for every look at the app's health.

    Args:
        repository: where the forms are.
    """

    def __init__(self, repository: FormRepository) -> None:
        self._repository = repository
        self._by_scope = TtlCache(self._read, ttl_seconds=_TTL_SECONDS)

    async def get(self, scope: str) -> list[FormWithProblems]:
        """Those of a scope and the global ones, `MOST_FORMS` at most.

        Raises:
            StorageUnavailableError: they can't be read.
        """
        return await self._by_scope.get(scope)

    def invalidate(self) -> None:
        """Has them read again: a form was changed."""
        self._by_scope.invalidate()

    async def _read(self, scope: str) -> list[FormWithProblems]:
        forms = await all_with_problems(stored.form for stored in await self._repository.list(scope))
        return [
            FormWithProblems(form_id=form.id, name=form.name, org_id=form.org_id, problems=form.problems)
            for form in forms
            if form.problems
        ][:MOST_FORMS]
