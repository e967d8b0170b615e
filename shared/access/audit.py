"""The audit log: who ran code of their own, and who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.access.principal import Principal
from shared.models.audit import AuditEntry
from shared.repositories.audit import AuditRepository
from shared.repositories.ids import new_execution_id


class AuditLog:
    """Writes entries.

    Args:
        repository: where they are.
    """

    def __init__(self, repository: AuditRepository) -> None:
        self._repository = repository

    async def record(
        self,
        principal: Principal,
        action: str,
        target: str,
        details: Mapping[str, Any] | None = None,
        *,
        scope: str | None = None,
    ) -> None:
        """Writes down what is about to be done; what can't be written down must not be done.

        Args:
            principal: who does it.
            action: such as `form.update`.
            target: id, key or name of what it is done to.
            details: more of it, without values that somebody may not see.
            scope: whose log it goes to; left out, the caller's scope.

        Raises:
            StorageUnavailableError: it can't be written.
        """
        now = datetime.now(UTC)
        await self._repository.add(
            AuditEntry(
                id=new_execution_id(now),
                at=now,
                user_id=principal.caller.user_id,
                user_name=principal.caller.name,
                action=action,
                target=target,
                details=dict(details or {}),
                scope=scope or principal.scope,
            )
        )
