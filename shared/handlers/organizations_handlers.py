"""Organizations: making, showing, changing and deleting them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.access.principal import Principal
from shared.errors import FieldError, InvalidInputError
from shared.handlers.services import get_services
from shared.models.base import GLOBAL_SCOPE
from shared.models.organizations import OrganizationCreate, OrganizationModel, OrganizationPatch
from shared.repositories.organizations import Directory

_NEVER_NULL = ("name", "members", "is_active")


async def list_organizations() -> list[OrganizationModel]:
    """All organizations, by name."""
    directory = await get_services().organization_directory.read()
    return sorted(directory.organizations.values(), key=lambda found: found.name.casefold())


async def get_organization(org_id: str) -> OrganizationModel:
    """An organization.

    Raises:
        NotFoundError: there is none of this id.
    """
    return (await get_services().organization_directory.read()).find(org_id)


async def create_organization(body: OrganizationCreate, principal: Principal) -> OrganizationModel:
    """Makes an organization.

    Raises:
        ConflictError: its id, its name, its domain or one of its members is another's.
        PayloadTooLargeError: there are too many organizations and members.
    """
    now = datetime.now(UTC)
    organization = OrganizationModel(
        id=body.id or str(uuid.uuid4()),
        **body.model_dump(exclude={"id"}),
        created_by=principal.caller.user_id,
        created_at=now,
        updated_at=now,
    )
    await _record(principal, "organization.create", organization.id, {"name": organization.name})
    await _change(lambda directory: directory.with_new(organization))
    return organization


async def update_organization(org_id: str, body: OrganizationPatch, principal: Principal) -> OrganizationModel:
    """Changes what the body names.

    Raises:
        NotFoundError: there is no organization of this id.
        InvalidInputError: something is null that an organization must have.
        ConflictError: its name, its domain or one of its members is another's.
        PayloadTooLargeError: there are too many organizations and members.
    """
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    errors = [
        FieldError(loc=["body", name], type="missing", msg="can't be null")
        for name in _NEVER_NULL
        if name in changes and changes[name] is None
    ]
    if errors:
        raise InvalidInputError("The body is not valid", errors)
    await get_organization(org_id)
    changed = body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"members"})
    await _record(principal, "organization.update", org_id, changed | _members_in(body))
    changes["updated_at"] = datetime.now(UTC)
    directory = await _change(
        lambda directory: directory.with_changed(org_id, lambda found: found.model_copy(update=changes))
    )
    return directory.find(org_id)


async def delete_organization(org_id: str, principal: Principal) -> None:
    """Deletes an organization: from now on nobody works in it. What it had stays stored, out of everybody's reach.

    Raises:
        NotFoundError: there is none of this id.
    """
    found = await get_organization(org_id)
    await _record(principal, "organization.delete", org_id, {"name": found.name})
    await _change(lambda directory: directory.without(org_id))


async def _record(principal: Principal, action: str, org_id: str, details: Mapping[str, Any]) -> None:
    await get_services().audit.record(principal, action, org_id, details, scope=GLOBAL_SCOPE)


def _members_in(body: OrganizationPatch) -> dict[str, int]:
    return {"members": len(body.members)} if body.members is not None else {}


async def _change(edit: Callable[[Directory], Directory]) -> Directory:
    directory = await get_services().organization_directory.change(edit)
    get_services().organizations.invalidate()
    return directory
