"""Who is calling: every request goes through `Authentication`, and then through `authorize` of `principal`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.access.app_service import HEADER as CLIENT_PRINCIPAL_HEADER
from shared.access.app_service import check_user_id, read_client_principal
from shared.access.keys import KeyRing
from shared.access.organizations import Organizations
from shared.access.principal import ADMIN_ROLE, Principal
from shared.context import Caller, Organization
from shared.errors import BadRequestError, ForbiddenError, NotFoundError
from shared.models.base import GLOBAL_SCOPE
from shared.settings.environment import Settings

DEV_PRINCIPAL_HEADER = "x-dev-principal"
ORGANIZATION_HEADER = "x-organization-id"
KEY_HEADER = "x-functions-key"

_LOCAL_ADMIN = Caller(user_id="local-admin", email="admin@localhost", name="Local administrator")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_HEADER_CHARACTERS = 8 * 1024


class _DevPrincipal(BaseModel):
    model_config = ConfigDict(defer_build=True)

    user_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    email: Annotated[str, StringConstraints(max_length=320)] = ""
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    roles: Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=200)] = []
    tenant_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class Authentication:
    """Establishes who sends a request.

    Args:
        keys: finds access keys.
        organizations: finds organizations, and whose members users are.
    """

    def __init__(self, keys: KeyRing, organizations: Organizations) -> None:
        self._keys = keys
        self._organizations = organizations

    async def authenticate(self, headers: Mapping[str, str], settings: Settings) -> Principal | None:
        """Establishes who sent a request: an access key before everything else, then a user.

        Args:
            headers: the request's headers, names in lower case.
            settings: says whom to trust.

        Returns:
            The caller; None for nobody.

        Raises:
            ForbiddenError: in development mode, the request comes from a foreign web page or names a foreign host; or a
                caller names an organization that is not theirs, or has none.
            BadRequestError: an identity header can't be read.
            UnauthorizedError: the access key is not valid, or the platform's header names nobody.
            NotFoundError: an administrator names an organization that does not exist, or is not active.
            StorageUnavailableError: it can't be told whether a key is valid, or who belongs where.
        """
        is_development = settings.auth_mode == "development"
        if is_development:
            _refuse_foreign_pages(headers)
        bearer = _bearer_in(headers)
        # Other bearer tokens are the identity provider's.
        raw_key = bearer if bearer is not None and bearer.startswith("wk_") else headers.get(KEY_HEADER)
        named = headers.get(ORGANIZATION_HEADER)
        if raw_key is not None:
            return await self._key_principal(raw_key, named)
        if is_development:
            return await self._dev_principal(headers.get(DEV_PRINCIPAL_HEADER), named)
        header = headers.get(CLIENT_PRINCIPAL_HEADER)
        # Without App Service Authentication in front, identity headers are whatever a stranger sends.
        if header is None or not settings.platform_auth_enabled:
            return None
        user = read_client_principal(header)
        is_admin = ADMIN_ROLE in user.roles
        return Principal(
            Caller(user_id=user.user_id, email=user.email, name=user.name),
            await self._organization(is_admin, (user.tenant_id, user.object_id, user.email), named),
            is_platform_admin=is_admin,
            roles=user.roles,
            is_cookie_borne=not ("x-zumo-auth" in headers or bearer),
        )

    async def _key_principal(self, raw_key: str, named: str | None) -> Principal:
        key = await self._keys.open(raw_key)
        organization = None
        if key.scope != GLOBAL_SCOPE:
            organization = await self._organizations.find(key.scope)
            if organization is None or not organization.is_active:
                raise ForbiddenError("The organization of this access key is not active")
        if named is not None and named != key.scope:
            raise ForbiddenError("X-Organization-Id names an organization that is not the access key's")
        return Principal(
            Caller(user_id=f"key:{key.key_id}", name=key.description or "Access key"), organization, key=key
        )

    async def _dev_principal(self, header: str | None, named: str | None) -> Principal | None:
        if header is None:
            organization = await self._organization(True, (None, None, ""), named)
            return Principal(_LOCAL_ADMIN, organization, is_platform_admin=True, roles=frozenset({ADMIN_ROLE}))
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
        check_user_id(found.user_id)
        is_admin = ADMIN_ROLE in found.roles
        return Principal(
            Caller(user_id=found.user_id, email=found.email, name=found.name or found.email or found.user_id),
            await self._organization(
                is_admin,
                (found.tenant_id, found.user_id, found.email),
                named,
                may_have_none=found.tenant_id is None,
            ),
            is_platform_admin=is_admin,
            roles=frozenset(found.roles),
        )

    async def _organization(
        self,
        is_admin: bool,
        identity: tuple[str | None, str | None, str],
        named: str | None,
        *,
        may_have_none: bool = False,
    ) -> Organization | None:
        """The organization that a user works in, None for the scope GLOBAL.

        Args:
            is_admin: whether they may work in any.
            identity: tenant id, object id and e-mail address.
            named: the header X-Organization-Id.
            may_have_none: whether one who belongs to no organization works in the scope GLOBAL.
        """
        if is_admin:
            if named is None or named == GLOBAL_SCOPE:
                return None
            organization = await self._organizations.find(named)
            if organization is None or not organization.is_active:
                raise NotFoundError("There is no organization of this id")
            return organization
        organization = await self._organizations.of_user(*identity)
        if organization is None and not may_have_none:
            raise ForbiddenError("You belong to no organization of this platform")
        if organization is not None and not organization.is_active:
            raise ForbiddenError("Your organization is not active")
        if named is not None and named != (organization.id if organization else GLOBAL_SCOPE):
            raise ForbiddenError("X-Organization-Id names an organization that is not yours")
        return organization


def _bearer_in(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


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
