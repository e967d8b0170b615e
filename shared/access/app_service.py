"""The signed-in user that App Service Authentication names in the header X-MS-CLIENT-PRINCIPAL.

https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.errors import BadRequestError, UnauthorizedError

HEADER = "x-ms-client-principal"
# Azure's front end takes no more headers than this altogether.
LONGEST_HEADER = 64 * 1024
_MAX_CLAIMS = 2000

_SCHEMAS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_OBJECT_ID = frozenset({"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"})
_TENANT_ID = frozenset({"tid", "http://schemas.microsoft.com/identity/claims/tenantid"})
_SUBJECT = frozenset({f"{_SCHEMAS}nameidentifier", "sub"})
# In the order of how much they are worth; a preferred user name need be no address.
_EMAIL = ("email", f"{_SCHEMAS}emailaddress", "emails", "preferred_username", f"{_SCHEMAS}upn", "upn")
_NAME = ("name", f"{_SCHEMAS}name")
_ROLES = frozenset({"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"})

# What no signed-in user may be called: keys and anonymous callers are.
RESERVED_USER_IDS = ("key:", "public:")

_Type = Annotated[str, StringConstraints(max_length=300)]


class _Claim(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)

    typ: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    val: Annotated[str, StringConstraints(max_length=8000)]


class _ClientPrincipal(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)

    auth_typ: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    claims: Annotated[list[_Claim], Field(max_length=_MAX_CLAIMS)]
    name_typ: _Type | None = None
    role_typ: _Type | None = None


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """Who the header names.

    Attributes:
        user_id: the object id in Entra ID; from other identity providers `{provider}:{subject}`.
        tenant_id, object_id: in Entra ID; None from other providers.
        email, name: empty when they are not known.
        roles: all roles that the provider gave.
    """

    user_id: str
    tenant_id: str | None
    object_id: str | None
    email: str
    name: str
    roles: frozenset[str]


def read_client_principal(header: str) -> SignedInUser:
    """Reads the header.

    Args:
        header: its value: base64 of JSON `{auth_typ, claims: [{typ, val}], name_typ, role_typ}`.

    Raises:
        BadRequestError: it is too long, no base64, no JSON, or of another shape.
        UnauthorizedError: it names nobody, or two different people.
    """
    if len(header) > LONGEST_HEADER:
        raise BadRequestError(f"X-MS-CLIENT-PRINCIPAL is longer than {LONGEST_HEADER} characters")
    try:
        raw = base64.b64decode(header.strip(), validate=True)
        found = _ClientPrincipal.model_validate_json(raw)
    except (binascii.Error, ValueError) as error:
        # What it held is not repeated: it is personal.
        what = "has another shape" if isinstance(error, ValidationError) else "is no base64"
        raise BadRequestError(f"X-MS-CLIENT-PRINCIPAL can't be read: it {what}") from None
    object_id = _only(found, _OBJECT_ID)
    subject = object_id or _only(found, _SUBJECT)
    if not subject or not subject.isprintable() or len(subject) > 300:
        raise UnauthorizedError("X-MS-CLIENT-PRINCIPAL names nobody")
    user_id = subject if object_id else f"{found.auth_typ}:{subject}"
    check_user_id(user_id)
    email = _first(found, _EMAIL)
    name_types = (found.name_typ, *_NAME) if found.name_typ else _NAME
    role_types = _ROLES | {found.role_typ} if found.role_typ else _ROLES
    return SignedInUser(
        user_id=user_id,
        tenant_id=_only(found, _TENANT_ID) if object_id else None,
        object_id=object_id,
        email=email if "@" in email else "",
        name=_first(found, name_types) or email or user_id,
        roles=frozenset(claim.val for claim in found.claims if claim.typ in role_types),
    )


def check_user_id(user_id: str) -> None:
    """Refuses the ids that are not for users.

    Raises:
        UnauthorizedError: it looks like that of a key or of an anonymous caller.
    """
    if user_id.lower().startswith(RESERVED_USER_IDS):
        raise UnauthorizedError("A signed-in user can't have the id of a key or of an anonymous caller")


def _only(found: _ClientPrincipal, types: frozenset[str]) -> str | None:
    values = {claim.val for claim in found.claims if claim.typ in types and claim.val}
    if len(values) > 1:
        raise UnauthorizedError("X-MS-CLIENT-PRINCIPAL names more than one user")
    return next(iter(values), None)


def _first(found: _ClientPrincipal, types: tuple[str, ...]) -> str:
    for typ in types:
        for claim in found.claims:
            if claim.typ == typ and claim.val:
                return claim.val[:320]
    return ""
