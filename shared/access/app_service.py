"""The signed-in user that the platform names in the header X-MS-CLIENT-PRINCIPAL.

App Service Authentication gives claims: https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
Static Web Apps in front of the app gives a user: https://learn.microsoft.com/azure/static-web-apps/user-information
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import from_json

from shared.errors import BadRequestError, UnauthorizedError

HEADER = "x-ms-client-principal"
# Azure's front end takes no more headers than this altogether.
LONGEST_HEADER = 64 * 1024
_MAX_CLAIMS = 2000
_LONGEST_TEXT = 320

_SCHEMAS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_OBJECT_ID = frozenset({"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"})
_TENANT_ID = frozenset({"tid", "http://schemas.microsoft.com/identity/claims/tenantid"})
_SUBJECT = frozenset({f"{_SCHEMAS}nameidentifier", "sub"})
# In the order of how much they are worth; a preferred user name need be no address.
_EMAIL = ("email", f"{_SCHEMAS}emailaddress", "emails", "preferred_username", f"{_SCHEMAS}upn", "upn")
_NAME = ("name", f"{_SCHEMAS}name")
_ROLES = frozenset({"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"})

# Roles of Static Web Apps that say no more than whether somebody is signed in.
_ANYBODY, _SIGNED_IN = "anonymous", "authenticated"
_ENTRA_ID = "aad"

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


class _StaticWebAppsUser(BaseModel):
    model_config = ConfigDict(strict=True, defer_build=True)

    identity_provider: Annotated[str, StringConstraints(min_length=1, max_length=100), Field(alias="identityProvider")]
    user_id: Annotated[str, Field(alias="userId")]
    user_details: Annotated[str | None, Field(alias="userDetails")] = None
    roles: Annotated[list[str], Field(alias="userRoles", max_length=_MAX_CLAIMS)]
    claims: Annotated[list[_Claim] | None, Field(max_length=_MAX_CLAIMS)] = None


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
        header: its value: base64 of JSON, from App Service `{auth_typ, claims: [{typ, val}], name_typ, role_typ}`, from
            Static Web Apps `{identityProvider, userId, userDetails, userRoles, claims}`.

    Raises:
        BadRequestError: it is too long, no base64, no JSON, or of another shape.
        UnauthorizedError: it names nobody, or two different people.
    """
    if len(header) > LONGEST_HEADER:
        raise BadRequestError(f"X-MS-CLIENT-PRINCIPAL is longer than {LONGEST_HEADER} characters")
    try:
        value: Any = from_json(base64.b64decode(header.strip(), validate=True))
        if isinstance(value, dict) and "identityProvider" in value and "auth_typ" not in value:
            return _of_static_web_apps(_StaticWebAppsUser.model_validate(value))
        return _of_app_service(_ClientPrincipal.model_validate(value))
    except (binascii.Error, ValueError) as error:
        # What it held is not repeated: it is personal.
        what = "is no base64" if isinstance(error, binascii.Error) else "has another shape"
        raise BadRequestError(f"X-MS-CLIENT-PRINCIPAL can't be read: it {what}") from None


def _of_app_service(found: _ClientPrincipal) -> SignedInUser:
    object_id = _only(found.claims, _OBJECT_ID)
    user_id = _user_id(object_id, found.auth_typ, _only(found.claims, _SUBJECT))
    email = _first(found.claims, _EMAIL)
    name_types = (found.name_typ, *_NAME) if found.name_typ else _NAME
    role_types = _ROLES | {found.role_typ} if found.role_typ else _ROLES
    return SignedInUser(
        user_id=user_id,
        tenant_id=_only(found.claims, _TENANT_ID) if object_id else None,
        object_id=object_id,
        email=email if "@" in email else "",
        name=_first(found.claims, name_types) or email or user_id,
        roles=frozenset(claim.val for claim in found.claims if claim.typ in role_types),
    )


def _of_static_web_apps(found: _StaticWebAppsUser) -> SignedInUser:
    if set(found.roles) <= {_ANYBODY}:
        raise UnauthorizedError("X-MS-CLIENT-PRINCIPAL names nobody")
    claims = found.claims or []
    # Other providers may put anything into claims of these names.
    object_id = _only(claims, _OBJECT_ID) if found.identity_provider == _ENTRA_ID else None
    user_id = _user_id(object_id, found.identity_provider, found.user_id)
    details = (found.user_details or "")[:_LONGEST_TEXT]
    return SignedInUser(
        user_id=user_id,
        tenant_id=_only(claims, _TENANT_ID) if object_id else None,
        object_id=object_id,
        email=details if "@" in details else "",
        name=_first(claims, _NAME) or details or user_id,
        roles=frozenset(found.roles) - {_ANYBODY, _SIGNED_IN},
    )


def _user_id(object_id: str | None, provider: str, subject: str | None) -> str:
    """The object id, which Entra ID makes unique, or what the provider calls them.

    Raises:
        UnauthorizedError: there is neither, or it is one that no user may have.
    """
    known = object_id or subject
    if not known or not known.isprintable() or len(known) > 300:
        raise UnauthorizedError("X-MS-CLIENT-PRINCIPAL names nobody")
    user_id = object_id or f"{provider}:{subject}"
    check_user_id(user_id)
    return user_id


def check_user_id(user_id: str) -> None:
    """Refuses the ids that are not for users.

    Raises:
        UnauthorizedError: it looks like that of a key or of an anonymous caller.
    """
    if user_id.lower().startswith(RESERVED_USER_IDS):
        raise UnauthorizedError("A signed-in user can't have the id of a key or of an anonymous caller")


def _only(claims: Sequence[_Claim], types: frozenset[str]) -> str | None:
    values = {claim.val for claim in claims if claim.typ in types and claim.val}
    if len(values) > 1:
        raise UnauthorizedError("X-MS-CLIENT-PRINCIPAL names more than one user")
    return next(iter(values), None)


def _first(claims: Sequence[_Claim], types: tuple[str, ...]) -> str:
    for typ in types:
        for claim in claims:
            if claim.typ == typ and claim.val:
                return claim.val[:_LONGEST_TEXT]
    return ""
