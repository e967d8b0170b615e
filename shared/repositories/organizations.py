"""Organizations: all of them in one document, so that no two can claim the same name or member at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import ConflictError, NotFoundError
from shared.models.base import GLOBAL_SCOPE
from shared.models.organizations import OrganizationModel
from shared.repositories.documents import Documents

if TYPE_CHECKING:
    from shared.storage import Storage

TABLE = "Organizations"
_PARTITION = "organizations"
_KEY = "all"


@dataclass(frozen=True)
class Directory:
    """All organizations at one moment.

    Attributes:
        organizations: by id.
        retired: the ids of deleted ones, which are never given again: what they had is still there under them.
    """

    organizations: dict[str, OrganizationModel] = field(default_factory=dict[str, OrganizationModel])
    retired: frozenset[str] = frozenset()

    @cached_property
    def members(self) -> dict[tuple[str, str], OrganizationModel]:
        """The organization of each user, by tenant and object id in lower case."""
        return {
            (member.tenant_id.lower(), member.object_id.lower()): organization
            for organization in self.organizations.values()
            for member in organization.members
        }

    @cached_property
    def domains(self) -> dict[tuple[str, str], OrganizationModel]:
        """The organization of each e-mail domain, by the tenant that is trusted for it and the domain."""
        return {
            (organization.trusted_tenant_id.lower(), organization.domain): organization
            for organization in self.organizations.values()
            if organization.trusted_tenant_id is not None and organization.domain is not None
        }

    def with_new(self, organization: OrganizationModel) -> Directory:
        """With one more organization.

        Raises:
            ConflictError: its id, its name, its domain or one of its members is another's.
        """
        if organization.id in self.organizations or organization.id in self.retired or _is_reserved(organization.id):
            raise ConflictError("There is, or was, an organization of this id")
        return self._with(organization)

    def with_changed(self, org_id: str, change: Callable[[OrganizationModel], OrganizationModel]) -> Directory:
        """With another state of an organization.

        Raises:
            NotFoundError: there is none of this id.
            ConflictError: its name, its domain or one of its members is another's.
        """
        return self._with(change(self.find(org_id)))

    def without(self, org_id: str) -> Directory:
        """Without an organization.

        Raises:
            NotFoundError: there is none of this id.
        """
        found = self.find(org_id)
        others = {key: value for key, value in self.organizations.items() if key != found.id}
        return Directory(others, self.retired | {found.id})

    def find(self, org_id: str) -> OrganizationModel:
        """The organization of this id.

        Raises:
            NotFoundError: there is none.
        """
        if org_id not in self.organizations:
            raise NotFoundError("There is no organization of this id")
        return self.organizations[org_id]

    def _with(self, organization: OrganizationModel) -> Directory:
        others = Directory({key: value for key, value in self.organizations.items() if key != organization.id})
        names = {other.name.casefold() for other in others.organizations.values()}
        own = Directory({organization.id: organization})
        if organization.name.casefold() in names:
            raise ConflictError(f"There is an organization named {organization.name!r} already")
        if own.domains.keys() & others.domains.keys():
            raise ConflictError(f"Another organization has the domain {organization.domain!r} of this tenant")
        if taken := own.members.keys() & others.members.keys():
            _, object_id = min(taken)
            raise ConflictError(f"The user {object_id!r} belongs to another organization")
        return Directory({**others.organizations, organization.id: organization}, self.retired)


class OrganizationRepository:
    """Reads and writes organizations. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where they are.
    """

    def __init__(self, storage: Storage) -> None:
        self._documents = Documents(storage.table(TABLE), _PARTITION)

    async def read(self) -> Directory:
        """All organizations; one call."""
        return _directory_of((await self._documents.read([_KEY])).get(_KEY))

    async def change(self, edit: Callable[[Directory], Directory]) -> Directory:
        """Changes the organizations; two calls.

        Args:
            edit: gives what is to be; what it raises is raised. It may be called several times.

        Returns:
            What is now.

        Raises:
            PayloadTooLargeError: so many organizations and members can't be stored.
        """
        written = Directory()

        def edit_document(value: Any) -> Any:
            nonlocal written
            written = edit(_directory_of(value))
            organizations = [found.model_dump(mode="json") for found in written.organizations.values()]
            return {"organizations": organizations, "retired": sorted(written.retired)}

        await self._documents.change(_KEY, edit_document)
        return written


def _directory_of(value: Any) -> Directory:
    if value is None:
        return Directory()
    found = [OrganizationModel.model_validate(each) for each in value["organizations"]]
    return Directory({each.id: each for each in found}, frozenset(value["retired"]))


def _is_reserved(org_id: str) -> bool:
    return org_id.upper() == GLOBAL_SCOPE
