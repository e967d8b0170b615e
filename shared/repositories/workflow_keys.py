"""Access keys: one row to find a key by its hash, and one in the list of the scope it was made in.

The first decides whether a key opens anything. It is written last and removed first, so that whatever is cut off in
between leaves a key that opens nothing. The second stays for a while when the key is revoked; a third one, sorted by
the time of that, says when it is to go.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.storage import MissingError, ModifiedError, Upsert
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Row, Storage

TABLE = "WorkflowKeys"
LAST_USED_EVERY = timedelta(hours=1)
KEPT_AFTER_REVOCATION = timedelta(days=90)
# By one sweep; each takes two calls.
MOST_REMOVED = 500

_PREFIX = "wk_"
_RAW_KEY = re.compile(r"wk_[A-Za-z0-9_-]{43}")
_KEY_ID = re.compile(r"[0-9a-f]{32}")
# Half of the hash finds the row, the other half is compared in a time that says nothing about it.
_FINDING_DIGITS = 32
# No scope has these partitions: there is no colon in `key_text`.
_HASHES = "keys:"
_REVOKED = "revoked:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key without its secret.

    Attributes:
        key_id: 32 hex digits.
        scope: the organization's id, or `GLOBAL`: where it was made, and where its runs belong.
        workflow_name: the one workflow that it opens; None for a global key.
        expires_at: from when on it opens nothing; None: never.
        closed_workflows: those that take only their own keys, for a global key.
    """

    key_id: str
    scope: str
    workflow_name: str | None
    description: str
    expires_at: datetime | None
    closed_workflows: frozenset[str] = frozenset()

    def has_expired(self, now: datetime) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key in the list of its scope; `masked_key` is for people to recognise it. A revoked one has `revoked_at`."""

    key: AccessKey
    masked_key: str
    closes_workflow: bool
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None = None


def new_raw_key() -> str:
    """A new key: 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def is_raw_key(text: str) -> bool:
    """Whether a text is shaped like a key."""
    return _RAW_KEY.fullmatch(text) is not None


def hash_of(raw_key: str) -> str:
    """What is stored of a key: its SHA-256. A random key of 256 bits needs no salt and no slow hash."""
    return hashlib.sha256(raw_key.encode()).hexdigest()


class WorkflowKeyRepository:
    """Reads and writes keys. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the keys are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)

    async def find(self, digest: str) -> AccessKey | None:
        """The key with this hash, expired or not; one call."""
        row = await self._table.get(_HASHES + digest[0], digest[:_FINDING_DIGITS])
        if row is None or not hmac.compare_digest(str(row.values["rest"]), digest[_FINDING_DIGITS:]):
            return None
        return _key_of(row.values)

    async def create(self, listed: ListedKey, digest: str) -> None:
        """Adds a key.

        Args:
            listed: the key.
            digest: its hash.
        """
        key = listed.key
        own = {
            "keyId": key.key_id,
            "scope": key.scope,
            "workflowName": key.workflow_name,
            "description": key.description,
            "expiresAt": key.expires_at.isoformat() if key.expires_at else None,
        }
        shown = {
            **own,
            "digest": digest,
            "maskedKey": listed.masked_key,
            "closesWorkflow": listed.closes_workflow,
            "createdBy": listed.created_by,
            "createdAt": listed.created_at.isoformat(),
        }
        # Upserts, since a write whose answer was lost is made again.
        await self._table.transaction(key_text(key.scope), [Upsert(key.key_id, shown)])
        closed = await self._tell_global_keys(key.scope) if listed.closes_workflow or not key.workflow_name else []
        values = {**own, "rest": digest[_FINDING_DIGITS:], "closedWorkflows": json.dumps(closed)}
        await self._table.transaction(_HASHES + digest[0], [Upsert(digest[:_FINDING_DIGITS], values)])

    async def list(self, scope: str) -> list[ListedKey]:
        """The keys of a scope, newest first, revoked ones too."""
        return sorted(
            (_listed_of(row) for row in await self._rows(scope)), key=lambda listed: listed.created_at, reverse=True
        )

    async def revoke(self, scope: str, key_id: str, now: datetime) -> bool:
        """Revokes a key of this scope; False when there is none, or it is revoked already. Safe to repeat when cut off.

        Args:
            scope, key_id: the key's.
            now: with a time zone.
        """
        partition = key_text(scope)
        row = await self._table.get(partition, key_id) if _KEY_ID.fullmatch(key_id) else None
        if row is None or "revokedAt" in row.values:
            return False
        digest = str(row.values["digest"])
        await self._table.delete(_HASHES + digest[0], digest[:_FINDING_DIGITS])
        values = {"scope": scope, "keyId": key_id}
        await self._table.transaction(_REVOKED, [Upsert(f"{_time_key(now)}:{key_id}", values)])
        if row.values["closesWorkflow"]:
            await self._tell_global_keys(scope, without=key_id)
        while row is not None and "revokedAt" not in row.values:
            try:
                await self._table.update(partition, key_id, {"revokedAt": now.isoformat()}, row.etag, "merge")
            except (ModifiedError, MissingError):
                # When it was last used was just written, or somebody else does the same.
                row = await self._table.get(partition, key_id)
            else:
                break
        return True

    async def remove_old(self, now: datetime) -> int:
        """Removes what is left of keys that were revoked long ago, at most `MOST_REMOVED`, and says of how many."""
        below = _time_key(now - KEPT_AFTER_REVOCATION)
        page = await self._table.query(_REVOKED, above="", below=below, limit=MOST_REMOVED)
        for row in page.rows:
            await self._table.delete(key_text(row.values["scope"]), row.values["keyId"])
            await self._table.delete(_REVOKED, row.key)
        return len(page.rows)

    async def record_use(self, key: AccessKey, now: datetime) -> None:
        """Writes when the key was last used, unless that is known to within an hour."""
        row = await self._table.get(key_text(key.scope), key.key_id, ["lastUsedAt"])
        if row is None:
            return
        before = _time_of(row.values.get("lastUsedAt"))
        if before is not None and now - before < LAST_USED_EVERY:
            return
        try:
            values = {"lastUsedAt": now.isoformat()}
            await self._table.update(key_text(key.scope), key.key_id, values, row.etag, "merge")
        except (ModifiedError, MissingError):
            # Another process wrote it, or the key was revoked.
            return

    async def _tell_global_keys(self, scope: str, *, without: str | None = None) -> list[str]:
        """Writes to the global keys of a scope which workflows they don't open; so a call needs to read one row.

        Args:
            scope: theirs.
            without: a key that counts for revoked.
        """
        rows = [row for row in await self._rows(scope) if "revokedAt" not in row.values and row.key != without]
        closed = sorted({str(row.values["workflowName"]) for row in rows if row.values["closesWorkflow"]})
        for row in rows:
            if "workflowName" not in row.values:
                await self._tell(str(row.values["digest"]), closed)
        return closed

    async def _tell(self, digest: str, closed: list[str]) -> None:
        values = {"closedWorkflows": json.dumps(closed)}
        while True:
            row = await self._table.get(_HASHES + digest[0], digest[:_FINDING_DIGITS])
            if row is None or row.values["closedWorkflows"] == values["closedWorkflows"]:
                return
            try:
                await self._table.update(_HASHES + digest[0], row.key, values, row.etag, "merge")
            except (ModifiedError, MissingError):
                continue

    async def _rows(self, scope: str) -> list[Row]:
        return [row async for row in self._table.rows(key_text(scope), above="", below="g")]


def new_key_id() -> str:
    """A new id of a key."""
    return uuid.uuid4().hex


def _key_of(values: Mapping[str, Any]) -> AccessKey:
    return AccessKey(
        key_id=values["keyId"],
        scope=values["scope"],
        workflow_name=values.get("workflowName"),
        description=values.get("description", ""),
        expires_at=_time_of(values.get("expiresAt")),
        closed_workflows=frozenset(json.loads(values.get("closedWorkflows", "[]"))),
    )


def _listed_of(row: Row) -> ListedKey:
    values = row.values
    created_at = _time_of(values["createdAt"])
    assert created_at is not None
    return ListedKey(
        key=_key_of(values),
        masked_key=values["maskedKey"],
        closes_workflow=values["closesWorkflow"],
        created_by=values["createdBy"],
        created_at=created_at,
        last_used_at=_time_of(values.get("lastUsedAt")),
        revoked_at=_time_of(values.get("revokedAt")),
    )


def _time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None


def _time_key(moment: datetime) -> str:
    """A moment as fixed-width text that sorts the oldest first."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
