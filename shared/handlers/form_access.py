"""Who may see and fill in which forms.

Administrators see all forms of their scope, and the global ones. Other users see the active forms that are public or
name one of their roles; what they see they may also fill in. A form that somebody may not see is not there.
"""

from __future__ import annotations

from shared.access.principal import Principal
from shared.errors import ConflictError
from shared.handlers.services import get_services
from shared.models.forms import Form
from shared.repositories.forms import StoredForm, not_found


def may_see(form: Form, principal: Principal) -> bool:
    """Whether a form of the caller's scope, or a global one, is there for them."""
    if principal.is_platform_admin:
        return True
    return form.is_active and (form.is_public or not principal.roles.isdisjoint(form.roles))


async def find_form(form_id: str, principal: Principal) -> StoredForm:
    """A form that the caller may see.

    Raises:
        NotFoundError: there is none for this caller.
    """
    stored = await get_services().forms.get(principal.scope, form_id)
    if not may_see(stored.form, principal):
        raise not_found()
    return stored


async def form_to_run(form_id: str, principal: Principal) -> Form:
    """A form that the caller may fill in.

    Raises:
        NotFoundError: there is none for this caller.
        ConflictError: an administrator asks for a form that is not active.
    """
    form = (await find_form(form_id, principal)).form
    if not form.is_active:
        raise ConflictError(f"The form {form.name!r} is not active")
    return form
