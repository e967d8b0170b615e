"""Forms: making, showing, changing and deleting them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.errors import FieldError, InvalidInputError, PreconditionFailedError
from shared.forms.definitions import check_definition
from shared.handlers.form_access import find_form, may_see
from shared.handlers.form_problems import all_with_problems, with_problems
from shared.handlers.services import get_services
from shared.models.base import GLOBAL_SCOPE
from shared.models.forms import Form, FormList, FormRequest
from shared.repositories.forms import StoredForm

# A caller who names no version wants the change whatever is there; so often it is tried when others write, too.
_TRIES = 3

T = TypeVar("T")


async def list_forms(principal: Principal) -> FormList:
    """The forms that the caller may see: those of their scope, then the global ones, each by name."""
    found = await get_services().forms.list(principal.scope)
    seen = [stored.form for stored in found if may_see(stored.form, principal)]
    return FormList(forms=await all_with_problems(seen))


async def get_form(form_id: str, principal: Principal) -> StoredForm:
    """A form that the caller may see.

    Raises:
        NotFoundError: there is none for this caller.
    """
    stored = await find_form(form_id, principal)
    return replace(stored, form=with_problems(stored.form))


async def create_form(body: FormRequest, principal: Principal) -> StoredForm:
    """Stores a new form, in the administrator's scope or, with `is_global`, for all of them.

    Raises:
        InvalidInputError: what the form says can't be; each place is named.
        ConflictError: there is a form of this name.
    """
    await ensure_loaded()
    check_definition(body)
    scope = GLOBAL_SCOPE if body.is_global else principal.scope
    now = datetime.now(UTC)
    form = Form(
        **dict(body),
        id=str(uuid.uuid4()),
        org_id=None if scope == GLOBAL_SCOPE else scope,
        created_by=principal.caller.user_id,
        created_at=now,
        updated_at=now,
    )
    await get_services().audit.record(principal, "form.create", form.id, {"name": form.name}, scope=scope)
    return await get_services().forms.create(scope, form)


async def update_form(
    form_id: str, body: FormRequest, principal: Principal, versions: Collection[str] | None = None
) -> StoredForm:
    """Stores what a form is changed to.

    Args:
        form_id: which form.
        body: all of what it is to be.
        principal: the administrator.
        versions: the versions that the caller knows; None for whatever is there.

    Raises:
        NotFoundError: there is no such form.
        InvalidInputError: what the form says can't be; each place is named.
        PreconditionFailedError: it was changed since the caller read it.
        ConflictError: there is another form of this name.
    """
    await ensure_loaded()
    check_definition(body)

    async def change() -> StoredForm:
        stored = await find_form(form_id, principal)
        before = stored.form
        # In an organization, a form that is for all lies elsewhere.
        if body.is_global != before.is_global and not stored.scope == principal.scope == GLOBAL_SCOPE:
            raise InvalidInputError("isGlobal can't be changed; make a new form", [_IS_GLOBAL_STAYS])
        form = Form(
            **dict(body),
            id=before.id,
            org_id=before.org_id,
            created_by=before.created_by,
            created_at=before.created_at,
            updated_at=datetime.now(UTC),
        )
        await get_services().audit.record(principal, "form.update", form.id, {"name": form.name}, scope=stored.scope)
        return await get_services().forms.replace(stored, form, versions)

    changed = await _until_written(change, versions)
    get_services().form_problems.invalidate()
    return changed


async def delete_form(form_id: str, principal: Principal, versions: Collection[str] | None = None) -> None:
    """Deletes a form; its row stays, marked, and its name is free again. Arguments and errors as in `update_form`."""

    async def delete() -> None:
        stored = await find_form(form_id, principal)
        await get_services().audit.record(
            principal, "form.delete", form_id, {"name": stored.form.name}, scope=stored.scope
        )
        await get_services().forms.delete(stored, datetime.now(UTC), versions)

    await _until_written(delete, versions)
    get_services().form_problems.invalidate()


_IS_GLOBAL_STAYS = FieldError(loc=["body", "isGlobal"], type="immutable", msg="can't be changed; make a new form")


async def _until_written(write: Callable[[], Awaitable[T]], versions: Collection[str] | None) -> T:
    for _ in range(_TRIES - 1):
        try:
            return await write()
        except PreconditionFailedError:
            if versions is not None:
                raise
    return await write()
