"""Claimed Idempotency-Keys: one row for each, which names the execution that the first call began."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.repositories.sweeping import remove_rows
from shared.storage import AlreadyExistsError, MissingError, ModifiedError

if TYPE_CHECKING:
    from shared.storage import Row, Storage

TABLE = "IdempotencyKeys"
VALID_FOR = timedelta(hours=24)
# Senders of webhooks come again for up to three days by themselves, and people have one sent again later still.
DELIVERIES_VALID_FOR = timedelta(days=7)
# Keys are spread over as many partitions, so that they can be looked through without reading the table as a whole.
_PARTITIONS = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claimed key stands for.

    Attributes:
        execution_id: of the execution that the first call began.
        digest: of that call's body and query.
    """

    execution_id: str
    digest: str


class IdempotencyKeyRepository:
    """Claims keys. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the keys are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)

    async def claim(
        self,
        owner: Sequence[str],
        execution_id: str,
        digest: str,
        now: datetime,
        *,
        valid_for: timedelta = VALID_FOR,
        instead_of: str | None = None,
    ) -> Claim:
        """Claims a key for an execution. One call for the first, two for those that follow.

        Args:
            owner: what tells the key from all others: scope, caller, route and the key itself.
            execution_id, digest: what the claim is to say.
            now: with a time zone.
            valid_for: how long the claim is valid, from now, in whole hours.
            instead_of: an execution that does not count any more, nor does a claim for it.

        Returns:
            This claim, or the one that was there before.
        """
        key = _row_key(owner)
        hours = valid_for // timedelta(hours=1)
        values = {"executionId": execution_id, "digest": digest, "claimedAt": now.isoformat(), "validHours": hours}
        while True:
            try:
                await self._table.insert(key[0], key, values)
            except AlreadyExistsError:
                row = await self._table.get(key[0], key)
            else:
                break
            if row is None:
                continue
            if not _has_expired(row, now) and row.values["executionId"] != instead_of:
                return Claim(row.values["executionId"], row.values["digest"])
            try:
                await self._table.update(key[0], key, values, row.etag, "replace")
            except (ModifiedError, MissingError):
                continue
            break
        return Claim(execution_id, digest)

    async def find(self, owner: Sequence[str], now: datetime) -> Claim | None:
        """The claim that is valid for a key, if there is one; one call."""
        key = _row_key(owner)
        row = await self._table.get(key[0], key)
        return None if row is None or _has_expired(row, now) else Claim(row.values["executionId"], row.values["digest"])

    async def remove_old(self, now: datetime) -> int:
        """Removes the claims that are no longer valid, and says how many."""
        old = remove_rows(self._table, _PARTITIONS, ["claimedAt", "validHours"], lambda row: _has_expired(row, now))
        return len([row async for row in old])


def _row_key(owner: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(owner)).encode()).hexdigest()


def _has_expired(row: Row, now: datetime) -> bool:
    # Those of the release before are valid for a day.
    hours = row.values.get("validHours")
    valid_for = timedelta(hours=hours) if hours is not None else VALID_FOR
    return datetime.fromisoformat(row.values["claimedAt"]) + valid_for <= now
