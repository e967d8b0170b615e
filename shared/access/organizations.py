"""Which organization a user works in, and which there are, as known in this process."""

from __future__ import annotations

from shared.context import Organization
from shared.models.organizations import OrganizationModel
from shared.repositories.organizations import Directory, OrganizationRepository
from shared.ttl_cache import TtlCache

# What is changed holds in every process after this time at the latest.
TTL_SECONDS = 15.0
# Who belongs where is believed for so long while storage is out of reach.
STALE_SECONDS = 300.0


class Organizations:
    """Finds organizations; one storage call at most.

    Args:
        repository: where they are stored.
    """

    def __init__(self, repository: OrganizationRepository) -> None:
        self._repository = repository
        self._directory = TtlCache(self._read, ttl_seconds=TTL_SECONDS, stale_seconds=STALE_SECONDS)

    async def find(self, org_id: str) -> Organization | None:
        """The organization of this id; None when there is none.

        Raises:
            StorageUnavailableError: it can't be told.
        """
        return _organization_of((await self._directory.get(None)).organizations.get(org_id))

    async def of_user(self, tenant_id: str | None, object_id: str | None, email: str) -> Organization | None:
        """The organization that a user belongs to; None when there is none.

        Args:
            tenant_id, object_id: the user in Entra ID; None for users of other identity providers, who belong to none.
            email: counts only where an organization names the user's tenant as the one that it trusts for its domain.

        Raises:
            StorageUnavailableError: it can't be told.
        """
        if tenant_id is None or object_id is None:
            return None
        directory = await self._directory.get(None)
        tenant = tenant_id.lower()
        domain = email.rpartition("@")[2].lower()
        found = directory.members.get((tenant, object_id.lower())) or directory.domains.get((tenant, domain))
        return _organization_of(found)

    def invalidate(self) -> None:
        """Has this process read the organizations anew at once."""
        self._directory.invalidate()

    async def _read(self, _: None) -> Directory:
        return await self._repository.read()


def _organization_of(found: OrganizationModel | None) -> Organization | None:
    return Organization(found.id, found.name, found.is_active) if found is not None else None
