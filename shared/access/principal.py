"""A caller whose identity is established, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from shared.context import Caller, Organization
from shared.errors import ForbiddenError, UnauthorizedError
from shared.models.base import GLOBAL_SCOPE
from shared.repositories.workflow_keys import AccessKey

ADMIN_ROLE = "PlatformAdmin"
PUBLIC_CALLER = Caller(user_id="public:anonymous", name="Anonymous")


class Access(Enum):
    """Who may use a route."""

    ANYONE = "anyone"
    USER = "user"
    ADMIN = "admin"
    OWNER = "owner"  # a user, or an access key that began the execution
    RESULT = "result"  # an owner, or who holds the token of a public call's result
    ENDPOINT = "endpoint"  # an access key, a user, or, where the workflow says so, anyone


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose identity is established.

    Attributes:
        caller: who it is.
        organization: the organization that they work in, None for the scope GLOBAL.
        is_platform_admin: whether they administer the platform.
        roles: what they were given besides; forms name those who may fill them in.
        key: the access key that they came with, instead of being a user.
        is_cookie_borne: whether a browser may have named them by itself, whatever page made it call.
    """

    caller: Caller
    organization: Organization | None = None
    is_platform_admin: bool = False
    roles: frozenset[str] = frozenset()
    key: AccessKey | None = None
    is_cookie_borne: bool = False

    @property
    def scope(self) -> str:
        """The organization's id, or `GLOBAL`."""
        return self.organization.id if self.organization else GLOBAL_SCOPE

    @property
    def is_public(self) -> bool:
        """Whether it is anybody, at a public endpoint."""
        return self.caller is PUBLIC_CALLER


PUBLIC = Principal(PUBLIC_CALLER)


def authorize(principal: Principal | None, access: Access) -> None:
    """Checks that the caller may use a route; at RESULT and ENDPOINT what is behind it decides the rest.

    Raises:
        UnauthorizedError: somebody must be signed in, and nobody is.
        ForbiddenError: the caller is no administrator, or has a key and no business here.
    """
    if access in (Access.ANYONE, Access.RESULT, Access.ENDPOINT):
        return
    if principal is None:
        raise UnauthorizedError("Sign in to use this")
    if principal.key is not None and access is not Access.OWNER:
        raise ForbiddenError("An access key opens endpoints and the executions that it began, nothing else")
    if access is Access.ADMIN and not principal.is_platform_admin:
        raise ForbiddenError("This is for administrators")


def refuse_forged(principal: Principal | None, headers: Mapping[str, str], method: str) -> None:
    """Refuses a call that runs code or changes something, when a foreign page may have had a browser make it.

    A browser sends the cookie of a signed-in user with whatever a page asks for; Origin and Sec-Fetch-Site
    (https://www.w3.org/TR/fetch-metadata/) are the browser's own word on which page that was.

    Args:
        principal: who is calling.
        headers: names in lower case.
        method: of the request.

    Raises:
        ForbiddenError: nothing says that the page is the app's own, or it is a GET, which any link can make.
    """
    if principal is None or not principal.is_cookie_borne:
        return
    if method in ("GET", "HEAD"):
        raise ForbiddenError("A browser's GET runs nothing; use POST")
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_own = site.strip().lower() in ("same-origin", "none")
    else:
        is_own = _is_same_origin(headers.get("origin"), headers.get("host"))
    if not is_own:
        raise ForbiddenError("A browser's call must come from the app's own pages (Origin, Sec-Fetch-Site)")


def _is_same_origin(origin: str | None, host: str | None) -> bool:
    if not origin or not host:
        return False
    try:
        return urlsplit(origin).netloc.lower() == host.strip().lower()
    except ValueError:
        return False
