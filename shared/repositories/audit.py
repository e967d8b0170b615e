"""The audit log: rows are added and read, and there is no code that changes or removes one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.models.audit import AuditEntry
from shared.repositories.executions.keys import ALL, key_of_token, key_range, list_key, token_of
from shared.storage import AlreadyExistsError, Insert
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Row, Storage

TABLE = "Audit"


class AuditRepository:
    """Adds and reads entries, whose ids are made as those of executions. All methods raise `StorageUnavailableError`
    when storage is out of reach.

    Args:
        storage: where they are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)

    async def add(self, entry: AuditEntry) -> None:
        """Adds an entry; one call."""
        values = {
            "userId": entry.user_id,
            "userName": entry.user_name,
            "action": entry.action,
            "target": entry.target,
            "details": json.dumps(entry.details),
            "at": entry.at.isoformat(),
        }
        try:
            await self._table.transaction(key_text(entry.scope), [Insert(list_key(ALL, entry.id), values)])
        except AlreadyExistsError:
            # The first try was done, and only its answer lost: ids are never given twice.
            return

    async def list(self, scope: str, limit: int, token: str | None) -> tuple[list[AuditEntry], str | None]:
        """A page of a scope's entries, newest first, and the token of the next page, None at the end; one call.

        Raises:
            BadRequestError: the token is not one that this gave out.
        """
        above, below = key_range(ALL, None, None)
        if token is not None:
            above = key_of_token(token, ALL)
        page = await self._table.query(key_text(scope), above=above, below=below, limit=limit)
        more = page.continuation is not None and page.rows
        return [_entry_of(row, scope) for row in page.rows], token_of(page.rows[-1].key) if more else None


def _entry_of(row: Row, scope: str) -> AuditEntry:
    values = row.values
    return AuditEntry(
        id=row.key.rpartition(":")[2],
        at=values["at"],
        user_id=values["userId"],
        user_name=values["userName"],
        action=values["action"],
        target=values["target"],
        details=json.loads(values["details"]),
        scope=scope,
    )
