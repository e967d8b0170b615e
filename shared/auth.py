"""Who is calling, and what they may do. Every request goes through `authenticate` and `authorize`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, StringConstraints, ValidationError

from shared.context import Caller, Organization
from shared.errors import BadRequestError, ForbiddenError, NotFoundError, UnauthorizedError
from shared.models.base import GLOBAL_SCOPE
from shared.settings import Settings

ADMIN_ROLE = "PlatformAdmin"
DEV_PRINCIPAL_HEADER = "x-dev-principal"
ORGANIZATION_HEADER = "x-organization-id"

_LOCAL_ADMIN = Caller(user_id="local-admin", email="admin@localhost", name="Local administrator")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_HEADER_CHARACTERS = 8 * 1024


class Access(Enum):
    """Who may use a route."""

    ANYONE = "anyone"
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose identity is established.

    Attributes:
        caller: who it is.
        organization: the organization that they work in, None for the scope GLOBAL.
        is_platform_admin: whether they administer the platform.
        roles: what they were given besides; forms name those who may fill them in.
    """

    caller: Caller
    organization: Organization | None = None
    is_platform_admin: bool = False
    roles: frozenset[str] = frozenset()

    @property
    def scope(self) -> str:
        """The organization's id, or `GLOBAL`."""
        return self.organization.id if self.organization else GLOBAL_SCOPE


class _DevPrincipal(BaseModel):
    user_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    email: Annotated[str, StringConstraints(max_length=320)] = ""
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    roles: list[str] = []


def authenticate(headers: Mapping[str, str], settings: Settings) -> Principal | None:
    """Establishes who sent a request.

    Args:
        headers: the request's headers, names in lower case.
        settings: says whom to trust.

    Returns:
        The caller; None for nobody.

    Raises:
        ForbiddenError: in development mode, the request comes from a foreign web page or names a foreign host; or a
        user
            names an organization that is not theirs.
        BadRequestError: an identity header can't be read.
        NotFoundError: an administrator names an organization that does not exist.
    """
    if settings.auth_mode != "development":
        # Without App Service Authentication in front, identity headers are whatever a stranger sends.
        return None
    _refuse_foreign_pages(headers)
    principal = _dev_principal(headers.get(DEV_PRINCIPAL_HEADER))
    if principal is not None:
        _check_organization(principal, headers.get(ORGANIZATION_HEADER, GLOBAL_SCOPE))
    return principal


def authorize(principal: Principal | None, access: Access) -> None:
    """Checks that the caller may use a route.

    Raises:
        UnauthorizedError: somebody must be signed in, and nobody is.
        ForbiddenError: the caller is no administrator.
    """
    if access is Access.ANYONE:
        return
    if principal is None:
        raise UnauthorizedError("Sign in to use this")
    if access is Access.ADMIN and not principal.is_platform_admin:
        raise ForbiddenError("This is for administrators")


def _dev_principal(header: str | None) -> Principal | None:
    if header is None:
        return Principal(_LOCAL_ADMIN, is_platform_admin=True)
    if header.strip() == "anonymous":
        return None
    if len(header) > _MAX_HEADER_CHARACTERS:
        raise BadRequestError(f"X-Dev-Principal is longer than {_MAX_HEADER_CHARACTERS} characters")
    try:
        found = _DevPrincipal.model_validate_json(header)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the header"
        raise BadRequestError(f"X-Dev-Principal can't be read: {field}: {first['msg']}") from None
    caller = Caller(user_id=found.user_id, email=found.email, name=found.name or found.email or found.user_id)
    roles = frozenset(found.roles)
    return Principal(caller, is_platform_admin=ADMIN_ROLE in roles, roles=roles)


def _check_organization(principal: Principal, named: str) -> None:
    """There is only the scope GLOBAL until organizations can be made."""
    if named == GLOBAL_SCOPE:
        return
    if principal.is_platform_admin:
        raise NotFoundError("There is no organization of this id")
    raise ForbiddenError("X-Organization-Id names an organization that is not yours")


def _refuse_foreign_pages(headers: Mapping[str, str]) -> None:
    """A web page that a developer looks at must not reach the app on their machine, which trusts whoever calls it.

    The Host check stops DNS rebinding; Origin and Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) stop the rest.
    """
    host = headers.get("host")
    if host is not None and _host_name(f"//{host}") not in _LOCAL_HOSTS:
        raise ForbiddenError("In development mode the app answers only at localhost")
    origin = headers.get("origin")
    if origin is not None and _host_name(origin) not in _LOCAL_HOSTS:
        raise ForbiddenError("In development mode the app answers no foreign web pages")
    if headers.get("sec-fetch-site", "").strip().lower() == "cross-site":
        raise ForbiddenError("In development mode the app answers no foreign web pages")


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
