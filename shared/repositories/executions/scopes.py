"""Which scopes have executions, for those who look after all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.models.base import GLOBAL_SCOPE
from shared.storage import Upsert
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Table

# No scope has this partition: there is no colon in `key_text`.
_PARTITION = ":scopes"


class ScopeRegister:
    """One row for each scope but `GLOBAL`, which is always there.

    Args:
        table: where the rows are, beside what belongs to the scopes.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known = {GLOBAL_SCOPE}

    def knows(self, scope: str) -> bool:
        """Whether this process knows that the scope is registered."""
        return scope in self._known

    async def add(self, scope: str) -> None:
        """Registers a scope; one call."""
        await self._table.transaction(_PARTITION, [Upsert(f"scope:{key_text(scope)}", {"scope": scope})])
        self._known.add(scope)

    async def all(self) -> Sequence[str]:
        """All scopes."""
        rows = self._table.rows(_PARTITION, above="scope", below="scope;")
        return [GLOBAL_SCOPE, *[str(row.values["scope"]) async for row in rows]]
