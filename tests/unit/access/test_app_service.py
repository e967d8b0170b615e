"""The platform's principal header: read strictly, trusted only where the platform sets it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from shared.access.app_service import LONGEST_HEADER, read_client_principal
from shared.access.authentication import Authentication
from shared.access.keys import KeyRing
from shared.access.organizations import Organizations
from shared.access.principal import Principal, refuse_forged
from shared.errors import BadRequestError, ForbiddenError, UnauthorizedError
from shared.repositories.organizations import OrganizationRepository
from shared.repositories.workflow_keys import WorkflowKeyRepository
from shared.settings.environment import Settings, load_settings
from shared.storage.azure.clients import AzureStorage
from tests.support.principals import OID, TENANT, claims_of, client_principal

PLATFORM = load_settings({"WEBSITE_AUTH_ENABLED": "true"})


async def authenticate(headers: dict[str, str], settings: Settings = PLATFORM) -> Principal | None:
    """Who sends a request; without a key nothing is asked of storage."""
    storage = AzureStorage(None)
    keys, organizations = KeyRing(WorkflowKeyRepository(storage)), Organizations(OrganizationRepository(storage))
    return await Authentication(keys, organizations).authenticate(headers, settings)


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_a_user_of_entra_id_is_known_by_object_and_tenant_id():
    user = read_client_principal(
        client_principal(name="Ann", email="ann@example.com", roles=["PlatformAdmin", "Sales"])
    )
    assert (user.user_id, user.object_id, user.tenant_id) == (OID, OID, TENANT)
    assert (user.name, user.email, user.roles) == ("Ann", "ann@example.com", {"PlatformAdmin", "Sales"})


def test_a_user_of_another_provider_is_known_by_subject_and_provider():
    claims = [{"typ": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "val": "12"}]
    user = read_client_principal(encoded({"auth_typ": "google", "claims": claims}))
    assert (user.user_id, user.object_id, user.tenant_id, user.roles) == ("google:12", None, None, frozenset())


def test_the_types_that_the_header_names_for_name_and_roles_count():
    claims = [*claims_of(), {"typ": "nick", "val": "Annie"}, {"typ": "groups", "val": "Sales"}]
    user = read_client_principal(
        encoded({"auth_typ": "aad", "claims": claims, "name_typ": "nick", "role_typ": "groups"})
    )
    assert (user.name, user.roles) == ("Annie", {"Sales"})


@pytest.mark.parametrize(
    "header",
    [
        "", "%%%", "e30", encoded([]), encoded(None), encoded({}), encoded({"auth_typ": "aad"}),
        encoded({"auth_typ": "aad", "claims": {}}), encoded({"auth_typ": "aad", "claims": [{"typ": "oid"}]}),
        encoded({"auth_typ": "aad", "claims": [{"typ": "oid", "val": 5}]}),
        encoded({"auth_typ": 1, "claims": []}), base64.b64encode(b"\xff").decode(),
        base64.b64encode(b'{"auth_typ": "aad", "claims": [').decode(), "A" * (LONGEST_HEADER + 4),
        encoded({"auth_typ": "aad", "claims": [{"typ": "oid", "val": "x"}] * 2001}),
    ],
    ids=lambda header: header[:12],
)  # fmt: skip
def test_what_is_no_such_header_is_a_bad_request_and_is_not_repeated(header: str):
    with pytest.raises(BadRequestError) as caught:
        read_client_principal(header)
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    "claims",
    [
        [],
        [{"typ": "oid", "val": ""}],
        [{"typ": "name", "val": "Ann"}],
        [*claims_of(), {"typ": "oid", "val": "another"}],
        [*claims_of(), {"typ": "tid", "val": "another"}],
        [{"typ": "oid", "val": "key:1"}],
        [{"typ": "oid", "val": "Public:anonymous"}],
        [{"typ": "oid", "val": "a\nb"}],
    ],
)
def test_a_header_that_names_nobody_or_two_is_unauthorized(claims: list[dict[str, str]]):
    with pytest.raises(UnauthorizedError):
        read_client_principal(encoded({"auth_typ": "aad", "claims": claims}))


def static_web_apps(**fields: Any) -> dict[str, Any]:
    """A user as Static Web Apps names them; a field that is given as None is left out."""
    user = {
        "identityProvider": "github",
        "userId": "d75b260a64504067bfc5b2905e3b8182",
        "userDetails": "ann",
        "userRoles": ["anonymous", "authenticated"],
        **fields,
    }
    return {name: value for name, value in user.items() if value is not None}


def test_a_user_of_static_web_apps_is_known_by_provider_and_id_and_has_the_roles_that_were_given_to_them():
    user = read_client_principal(
        encoded(static_web_apps(userRoles=["anonymous", "authenticated", "Sales", "PlatformAdmin"]))
    )
    assert (user.user_id, user.name, user.email) == ("github:d75b260a64504067bfc5b2905e3b8182", "ann", "")
    assert user.roles == {"Sales", "PlatformAdmin"}
    assert (user.tenant_id, user.object_id) == (None, None)
    details = static_web_apps(userDetails="ann@example.com", claims=[{"typ": "name", "val": "Ann"}])
    named = read_client_principal(encoded(details))
    assert (named.name, named.email) == ("Ann", "ann@example.com")
    unnamed = read_client_principal(encoded(static_web_apps(userDetails=None)))
    assert (unnamed.name, unnamed.email) == (unnamed.user_id, "")


def test_claims_of_entra_id_name_tenant_and_object_of_a_user_of_static_web_apps_and_no_others_do():
    claims = [*claims_of(), {"typ": "roles", "val": "PlatformAdmin"}]
    user = read_client_principal(
        encoded(static_web_apps(identityProvider="aad", userDetails="ann@example.com", claims=claims))
    )
    assert (user.user_id, user.object_id, user.tenant_id, user.email) == (OID, OID, TENANT, "ann@example.com")
    assert user.roles == frozenset()
    stranger = read_client_principal(encoded(static_web_apps(claims=claims)))
    assert (stranger.object_id, stranger.tenant_id) == (None, None)
    assert stranger.user_id.startswith("github:")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"userId": None}, BadRequestError),
        ({"userId": 5}, BadRequestError),
        ({"userRoles": None}, BadRequestError),
        ({"userRoles": "authenticated"}, BadRequestError),
        ({"userRoles": [1]}, BadRequestError),
        ({"identityProvider": ""}, BadRequestError),
        ({"claims": [{"typ": "oid"}]}, BadRequestError),
        ({"userId": ""}, UnauthorizedError),
        ({"userId": "a\nb"}, UnauthorizedError),
        ({"userRoles": []}, UnauthorizedError),
        ({"userRoles": ["anonymous"]}, UnauthorizedError),
        ({"identityProvider": "key"}, UnauthorizedError),
        ({"identityProvider": "Public", "userId": "anonymous"}, UnauthorizedError),
        ({"identityProvider": "aad", "claims": [{"typ": "oid", "val": "key:1"}]}, UnauthorizedError),
        ({"identityProvider": "aad", "claims": [*claims_of(), {"typ": "oid", "val": "x"}]}, UnauthorizedError),
    ],
)
def test_a_user_of_static_web_apps_that_is_none_is_refused(fields: dict[str, Any], error: type[Exception]):
    value = static_web_apps()
    value = {name: found for name, found in {**value, **fields}.items() if found is not None}
    with pytest.raises(error):
        read_client_principal(encoded(value))


async def test_a_user_of_static_web_apps_counts_only_where_the_platform_signs_in_and_has_no_organization():
    admin = {"x-ms-client-principal": encoded(static_web_apps(userRoles=["authenticated", "PlatformAdmin"]))}
    found = await authenticate(admin)
    assert found is not None
    assert (found.is_platform_admin, found.scope) == (True, "GLOBAL")
    assert await authenticate(admin, load_settings({})) is None
    with pytest.raises(ForbiddenError, match="no organization"):
        await authenticate({"x-ms-client-principal": encoded(static_web_apps())})


async def test_the_header_counts_only_where_the_platform_sets_it():
    headers = {"x-ms-client-principal": client_principal(roles=["PlatformAdmin"])}
    found = await authenticate(headers)
    assert found is not None
    assert found.is_platform_admin
    assert await authenticate(headers, load_settings({})) is None
    development = await authenticate(
        {"x-dev-principal": "anonymous", **headers}, load_settings({"AUTH_MODE": "development"})
    )
    assert development is None


async def test_the_developers_header_counts_for_nothing_outside_development():
    headers = {"x-dev-principal": '{"user_id": "u", "roles": ["PlatformAdmin"]}'}
    assert await authenticate(headers) is None


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, True),
        ({"origin": "https://evil.example", "host": "app.example"}, True),
        ({"origin": "null", "host": "app.example"}, True),
        ({"origin": "https://[", "host": "app.example"}, True),
        ({"origin": "https://app.example", "host": "APP.example"}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://app.example", "host": "app.example"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"authorization": "Bearer eyJ"}, False),
        ({"authorization": "Basic eyJ"}, True),
        ({"x-zumo-auth": "eyJ"}, False),
    ],
)
async def test_a_cookies_user_changes_things_only_from_the_apps_own_pages(headers: dict[str, str], refused: bool):
    headers = {"x-ms-client-principal": client_principal(roles=["PlatformAdmin"]), **headers}
    principal = await authenticate(headers)
    if refused:
        with pytest.raises(ForbiddenError):
            refuse_forged(principal, headers, "POST")
    else:
        refuse_forged(principal, headers, "POST")


async def test_a_get_runs_nothing_for_a_cookies_user():
    headers = {"x-ms-client-principal": client_principal(roles=["PlatformAdmin"]), "sec-fetch-site": "same-origin"}
    principal = await authenticate(headers)
    with pytest.raises(ForbiddenError):
        refuse_forged(principal, headers, "GET")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:7071", "origin": "http://localhost.evil.example"},
    ],
)
async def test_a_foreign_page_reaches_nothing_on_a_developers_machine(headers: dict[str, str]):
    settings: Settings = replace(PLATFORM, auth_mode="development", platform_auth_enabled=False)
    with pytest.raises(ForbiddenError):
        await authenticate(headers, settings)
