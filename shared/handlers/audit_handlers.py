"""The audit log: who ran code of their own, and who changed what."""

from __future__ import annotations

from shared.access.principal import Principal
from shared.handlers.services import get_services
from shared.models.audit import AuditPage, AuditQuery


async def list_audit(query: AuditQuery, principal: Principal) -> AuditPage:
    """The log of the caller's scope, newest first.

    Raises:
        BadRequestError: the continuation token is not one of this log.
    """
    entries, token = await get_services().audit_entries.list(principal.scope, query.limit, query.continuation_token)
    return AuditPage(entries=entries, continuation_token=token)
