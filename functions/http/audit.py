"""/api/audit"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import Call, route
from functions.http.routes import Nothing
from shared.access.principal import Access
from shared.handlers import audit_handlers as handlers
from shared.models.audit import AuditPage, AuditQuery

blueprint = func.Blueprint()


@route(
    blueprint,
    "GET",
    "audit",
    name="audit_list",
    access=Access.ADMIN,
    summary="Who ran code of their own and who changed what in the scope, newest first",
    query=AuditQuery,
    answers={200: AuditPage},
)
async def list_audit(call: Call[Nothing, AuditQuery]) -> AuditPage:
    return await handlers.list_audit(call.query, call.principal)
