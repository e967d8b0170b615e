"""/api/organizations"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.errors import ConflictError
from shared.handlers import organizations_handlers as handlers
from shared.models.organizations import OrganizationCreate, OrganizationModel, OrganizationPatch

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "organizations",
    name="organizations_list",
    access=Access.ADMIN,
    summary="All organizations, by name",
    answers={200: list[OrganizationModel]},
)
async def list_organizations(_: Call[Nothing, Nothing]) -> list[OrganizationModel]:
    return await handlers.list_organizations()


@route(
    blueprint,
    "POST",
    "organizations",
    name="organizations_create",
    access=Access.ADMIN,
    summary="Makes an organization",
    body=OrganizationCreate,
    answers={201: OrganizationModel},
    errors=(ConflictError,),
)
async def create_organization(call: Call[OrganizationCreate, Nothing]) -> Reply:
    made = await handlers.create_organization(call.body, call.principal)
    return Reply(made, 201, {"Location": f"/api/organizations/{made.id}"})


@route(
    blueprint,
    "GET",
    "organizations/{orgId}",
    name="organizations_get",
    access=Access.ADMIN,
    summary="An organization",
    answers={200: OrganizationModel},
)
async def get_organization(call: Call[Nothing, Nothing]) -> OrganizationModel:
    return await handlers.get_organization(call.path["orgId"])


@route(
    blueprint,
    "PATCH",
    "organizations/{orgId}",
    name="organizations_update",
    access=Access.ADMIN,
    summary="Changes what the body names of an organization",
    body=OrganizationPatch,
    answers={200: OrganizationModel},
    errors=(ConflictError,),
)
async def update_organization(call: Call[OrganizationPatch, Nothing]) -> OrganizationModel:
    return await handlers.update_organization(call.path["orgId"], call.body, call.principal)


@route(
    blueprint,
    "DELETE",
    "organizations/{orgId}",
    name="organizations_delete",
    access=Access.ADMIN,
    summary="Deletes an organization; what it had stays stored, out of everybody's reach",
    answers={204: None},
    errors=(ConflictError,),
)
async def delete_organization(call: Call[Nothing, Nothing]) -> Reply:
    await handlers.delete_organization(call.path["orgId"], call.principal)
    return Reply(None, 204)
