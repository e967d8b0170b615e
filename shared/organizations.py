"""Organizations, as far as callers are concerned: there are none yet, and so no user belongs to one."""

from __future__ import annotations

from shared.context import Organization


async def find_organization(org_id: str) -> Organization | None:  # noqa: ARG001 - what organizations will be found by
    """The organization of this id; None when there is none."""
    return None


async def organization_of(tenant_id: str | None, object_id: str | None, email: str) -> Organization | None:  # noqa: ARG001 - as above
    """The organization that a user belongs to; None when there is none."""
    return None
