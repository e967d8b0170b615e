"""Organizations: who belongs to one, that no two claim the same, and that what one has is out of all others' reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.handlers.organizations_handlers import (
    create_organization,
    delete_organization,
    get_organization,
    list_organizations,
    update_organization,
)
from shared.handlers.services import get_services
from shared.models.organizations import OrganizationCreate, OrganizationModel, OrganizationPatch
from shared.settings.environment import get_settings
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call
from tests.support.principals import client_principal

App = Callable[[], Storage]

ANN = {"tenantId": "Tenant-1", "objectId": "Ann"}


async def made(**fields: Any) -> OrganizationModel:
    return await create_organization(OrganizationCreate.model_validate({"name": "Acme", **fields}), ADMIN)


async def test_a_member_belongs_to_the_organization_whatever_the_case_of_the_ids(app: App):
    acme = await made(members=[ANN])
    found = await get_services().organizations.of_user("tenant-1", "ANN", "ann@elsewhere.example")
    assert found is not None
    assert (found.id, found.name, found.is_active) == (acme.id, "Acme", True)
    assert await get_services().organizations.of_user("tenant-2", "ann", "") is None
    assert await get_services().organizations.of_user("tenant-1", "bob", "") is None


async def test_a_domain_counts_only_in_the_tenant_that_is_trusted_for_it(app: App):
    await made(domain="Acme.example", trustedTenantId="tenant-1")
    await made(name="Trusts nobody", domain="other.example")
    assert await get_services().organizations.of_user("tenant-1", "ann", "Ann@ACME.example") is not None
    for tenant, email in (
        ("tenant-2", "ann@acme.example"),
        ("tenant-1", "ann@sub.acme.example"),
        ("tenant-1", "ann@notacme.example"),
        ("tenant-1", "acme.example.evil@evil.example"),
        ("tenant-1", ""),
        ("tenant-1", "ann@other.example"),
        (None, "ann@acme.example"),
    ):
        assert await get_services().organizations.of_user(tenant, "ann", email) is None, (tenant, email)


async def test_a_named_member_comes_before_a_domain(app: App):
    await made(domain="acme.example", trustedTenantId="tenant-1")
    other = await made(name="Other", members=[ANN])
    found = await get_services().organizations.of_user("tenant-1", "ann", "ann@acme.example")
    assert found is not None
    assert found.id == other.id


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "ACME"}, "named 'ACME'"),
        ({"name": "B", "members": [{"tenantId": "TENANT-1", "objectId": "ann"}]}, "belongs to another"),
        ({"name": "B", "domain": "ACME.example", "trustedTenantId": "T"}, "domain"),
        ({"name": "B", "id": "acme-1"}, "of this id"),
        ({"name": "B", "id": "global"}, "of this id"),
    ],
    ids=["name", "member", "domain", "id", "global"],
)
async def test_what_one_organization_has_no_other_can_claim(app: App, fields: dict[str, Any], message: str):
    await made(id="acme-1", members=[ANN], domain="acme.example", trustedTenantId="t")
    with pytest.raises(ConflictError, match=message):
        await made(**fields)
    assert len(await list_organizations()) == 1


async def test_of_twenty_that_claim_a_member_at_once_one_gets_them(app: App):
    results = await asyncio.gather(
        *(made(name=f"Organization {number}", members=[ANN]) for number in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, OrganizationModel) for result in results) == 1
    assert all(isinstance(result, (OrganizationModel, ConflictError)) for result in results)
    assert len(await list_organizations()) == 1


async def test_twenty_made_at_once_are_all_there(app: App):
    results = await asyncio.gather(*(made(name=f"Organization {number}") for number in range(12)))
    assert {found.id for found in await list_organizations()} == {found.id for found in results}


async def test_a_deleted_organization_is_gone_and_its_id_is_never_given_again(app: App):
    acme = await made(members=[ANN])
    await delete_organization(acme.id, ADMIN)
    assert await get_services().organizations.find(acme.id) is None
    assert await get_services().organizations.of_user("tenant-1", "ann", "") is None
    with pytest.raises(NotFoundError):
        await get_organization(acme.id)
    with pytest.raises(NotFoundError):
        await delete_organization(acme.id, ADMIN)
    with pytest.raises(ConflictError):
        await made(id=acme.id, name="Other")
    assert (await made(members=[ANN])).id != acme.id


async def test_a_patch_changes_what_it_names(app: App):
    acme = await made(domain="acme.example", trustedTenantId="t", members=[ANN])
    changed = await update_organization(acme.id, OrganizationPatch.model_validate({"domain": None}), ADMIN)
    assert (changed.domain, changed.name, changed.members) == (None, "Acme", acme.members)
    assert changed.updated_at > acme.updated_at
    assert await get_organization(acme.id) == changed
    with pytest.raises(InvalidInputError) as caught:
        await update_organization(acme.id, OrganizationPatch.model_validate({"name": None, "members": None}), ADMIN)
    assert {error["loc"][-1] for error in caught.value.errors} == {"name", "members"}
    with pytest.raises(NotFoundError):
        await update_organization("nowhere", OrganizationPatch(name="New"), ADMIN)


async def test_who_belongs_where_costs_a_call_once_in_a_while(app: App, monkeypatch: pytest.MonkeyPatch):
    await made(members=[ANN])
    with count_storage_calls() as calls:
        await asyncio.gather(*(get_services().organizations.of_user("tenant-1", "ann", "") for _ in range(20)))
    assert (calls.tables, calls.blobs) == (1, 0)


async def test_many_members_fit_and_too_many_are_refused_with_a_reason(app: App):
    members = [{"tenantId": f"{number:036}", "objectId": f"{number:036x}"} for number in range(500)]
    acme = await made(members=members)
    assert len((await get_organization(acme.id)).members) == 500
    with pytest.raises(ValueError, match="at most 500"):
        await made(name="Other", members=[*members, ANN])


@pytest.fixture
def signed_in(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "true")
    monkeypatch.delenv("AUTH_MODE", raising=False)
    get_settings.cache_clear()


async def asked(name: str, tenant: str, user: str, **fields: Any) -> Called:
    headers = {"authorization": "Bearer theirs", "x-ms-client-principal": client_principal(user, tenant, **fields)}
    return await call(name, headers=headers)


@pytest.mark.usefixtures("signed_in")
async def test_users_of_no_or_an_inactive_organization_are_refused():
    acme = await made(members=[ANN])
    assert (await asked("workflows_list", "Tenant-1", "Ann")).status == 200
    assert (await asked("workflows_list", "Tenant-1", "Bob")).status == 403
    await update_organization(acme.id, OrganizationPatch(is_active=False), ADMIN)
    answer = await asked("workflows_list", "Tenant-1", "Ann")
    assert (answer.status, answer.body["message"]) == (403, "Your organization is not active")
    headers = {
        "authorization": "Bearer theirs",
        "x-ms-client-principal": client_principal("root", "t", roles=["PlatformAdmin"]),
        "x-organization-id": acme.id,
    }
    assert (await call("workflows_list", headers=headers)).status == 404


@pytest.mark.usefixtures("signed_in")
async def test_a_change_holds_in_other_processes_when_what_they_keep_is_too_old(monkeypatch: pytest.MonkeyPatch):
    acme = await made(members=[ANN])
    assert (await asked("workflows_list", "Tenant-1", "Ann")).status == 200
    # As another process changes it, which can't tell this one.
    monkeypatch.setattr(get_services().organizations, "invalidate", lambda: None)
    await delete_organization(acme.id, ADMIN)
    assert (await asked("workflows_list", "Tenant-1", "Ann")).status == 200
    monkeypatch.setattr(get_services().organizations._directory, "_ttl_seconds", 0.0)
    assert (await asked("workflows_list", "Tenant-1", "Ann")).status == 403
