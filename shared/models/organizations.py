"""Organizations as the API shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.models.base import ApiModel, UtcDatetime, example

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
# A host name (RFC 1123, section 2.1) of at least two labels.
_Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=253,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    ),
]
_DirectoryId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
_OrganizationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")]
MOST_MEMBERS = 500


class Member(ApiModel):
    """A user who belongs to the organization, as Entra ID names them: the tenant and their object id in it."""

    tenant_id: _DirectoryId
    object_id: _DirectoryId


_Members = Annotated[list[Member], Field(max_length=MOST_MEMBERS)]


class OrganizationCreate(ApiModel):
    """A new organization. `id` is made when it is left out.

    Users belong to it who are among its `members`, and those of the tenant `trustedTenantId` whose e-mail address is
    of `domain`; a domain without a trusted tenant makes nobody a member, since any tenant can give out any address.
    """

    model_config = example(
        {"name": "Contoso", "domain": "contoso.com", "trustedTenantId": "0f4c1d6e-1111-4222-8333-444455556666"}
    )

    id: _OrganizationId | None = None
    name: _Name
    domain: _Domain | None = None
    trusted_tenant_id: _DirectoryId | None = None
    members: _Members = Field(default_factory=list[Member])
    is_active: bool = True


class OrganizationPatch(ApiModel):
    """What is to be changed of an organization; what is left out stays as it is, `null` takes a value away."""

    model_config = example({"isActive": False})

    null_clears = True

    name: _Name | None = None
    domain: _Domain | None = None
    trusted_tenant_id: _DirectoryId | None = None
    members: _Members | None = None
    is_active: bool | None = None


class OrganizationModel(ApiModel):
    """An organization. Nobody works in one that is not active, and its access keys open nothing."""

    id: str
    name: str
    domain: str | None = None
    trusted_tenant_id: str | None = None
    members: list[Member] = Field(default_factory=list[Member])
    is_active: bool = True
    created_by: str
    created_at: UtcDatetime
    updated_at: UtcDatetime
