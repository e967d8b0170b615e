"""Which organization a user works in, and which there are, as known in this process."""

from __future__ import annotations

from shared.context import Organization
from shared.models.organizations import OrganizationModel
from shared.repositories.organizations import Directory, OrganizationRepository
from shared.storage import Storage, get_storage
from shared.ttl_cache import Kept

# What is changed holds in every process after this time at the latest.
KEPT_SECONDS = 15.0
# Who belongs where is believed for so long while storage is out of reach.
STALE_SECONDS = 300.0


async def find_organization(org_id: str) -> Organization | None:
    """The organization of this id; None when there is none. One storage call at most.

    Raises:
        StorageUnavailableError: it can't be told.
    """
    return _organization_of((await _directory().get("")).organizations.get(org_id))


async def organization_of(tenant_id: str | None, object_id: str | None, email: str) -> Organization | None:
    """The organization that a user belongs to; None when there is none. One storage call at most.

    Args:
        tenant_id, object_id: the user in Entra ID; None for users of other identity providers, who belong to none.
        email: counts only where an organization names the user's tenant as the one that it trusts for its domain.

    Raises:
        StorageUnavailableError: it can't be told.
    """
    if tenant_id is None or object_id is None:
        return None
    directory = await _directory().get("")
    tenant = tenant_id.lower()
    domain = email.rpartition("@")[2].lower()
    found = directory.members.get((tenant, object_id.lower())) or directory.domains.get((tenant, domain))
    return _organization_of(found)


def forget_organizations() -> None:
    """Has this process read the organizations anew at once."""
    _directory().forget()


def _organization_of(found: OrganizationModel | None) -> Organization | None:
    return Organization(found.id, found.name, found.is_active) if found is not None else None


_kept: tuple[Storage, Kept[str, Directory]] | None = None


def _directory() -> Kept[str, Directory]:
    """What this process knows, of the storage account of its settings."""
    global _kept
    storage = get_storage()
    if _kept is None or _kept[0] is not storage:
        organizations = OrganizationRepository(storage)

        async def read(_: str) -> Directory:
            return await organizations.read()

        _kept = (storage, Kept(read, seconds=KEPT_SECONDS, stale_seconds=STALE_SECONDS))
    return _kept[1]
