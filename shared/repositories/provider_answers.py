"""Answers of data providers, shared by all processes: one row for each cache key, large lists in a blob."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from shared.models.data_providers import Option
from shared.repositories.payloads import PayloadStore
from shared.repositories.sweeping import remove_rows
from shared.storage import MissingError, Row, Upsert

if TYPE_CHECKING:
    from shared.storage import Storage

TABLE = "ProviderAnswers"
CONTAINER = "provider-answers"
# Keys are spread over as many partitions, so that they can be looked through without reading the table as a whole.
_PARTITIONS = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A stored row.

    Attributes:
        expires_at: until when its answer may be given again, in seconds since 1970; 0 when it has none, as the rows of
            earlier releases that only said that somebody was looking for one.
        row: as stored.
    """

    expires_at: float
    row: Row


class ProviderAnswerRepository:
    """Reads and writes answers. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the answers are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)
        self._blobs = storage.blobs(CONTAINER)
        self._payloads = PayloadStore(self._blobs)

    async def find(self, key: str) -> AnswerRow | None:
        """The row of a key; one call."""
        row = await self._table.get(key[0], key)
        if row is None:
            return None
        return AnswerRow(row.values.get("expiresAt", 0.0), row)

    async def options_in(self, found: AnswerRow) -> list[Option] | None:
        """The options of a row; one call more when they are in a blob. None when they are gone or can't be read."""
        stored = found.row.values.get("options") or found.row.values.get("blob")
        if stored is None:
            return None
        try:
            options = (await self._payloads.get({"options": stored}))["options"]
        except (MissingError, zlib.error, ValueError):
            return None
        return cast("list[Option]", options)

    async def save(
        self,
        key: str,
        options: Sequence[Option],
        *,
        scope: str,
        provider: str,
        expires_at: float,
        usable_until: float,
        before: AnswerRow | None,
    ) -> None:
        """Stores an answer; one call, two when it is large.

        Args:
            key: of the answer.
            options: the answer.
            scope, provider: for people who look at the table.
            expires_at: until when it may be given again, in seconds since 1970.
            usable_until: until when it may still be of use.
            before: the row that it replaces, as read.
        """
        blob_name = f"{key[0]}/{key}"
        stored = (await self._payloads.put({"options": options}, blob_name))["options"]
        values: dict[str, Any] = {
            "scope": scope,
            "provider": provider,
            "expiresAt": expires_at,
            "keepUntil": usable_until,
            "options" if isinstance(stored, bytes) else "blob": stored,
        }
        await self._table.transaction(key[0], [Upsert(key, values)])
        if isinstance(stored, bytes) and before is not None and "blob" in before.row.values:
            await self._blobs.delete(blob_name)

    async def remove_old(self, now: float) -> int:
        """Removes the rows that are of no use any more, with their blobs, and says how many."""
        removed = 0
        rows = remove_rows(
            self._table, _PARTITIONS, ["keepUntil", "blob"], lambda row: bool(row.values["keepUntil"] <= now)
        )
        async for row in rows:
            removed += 1
            if "blob" in row.values:
                await self._blobs.delete(row.values["blob"])
        return removed
