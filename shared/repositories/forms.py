"""Stored forms: one row for each, in the partition of its scope, and beside it a row that holds its name.

The row of a name is written in the same transaction as the form's, so that no two forms of a scope can have one name,
and goes with the form's deletion. The form's own row stays, marked as deleted.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.models.base import GLOBAL_SCOPE
from shared.models.forms import Form
from shared.repositories.payloads import PayloadStore
from shared.storage import AlreadyExistsError, Delete, Insert, MissingError, ModifiedError, Replace, Row
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Storage
    from shared.storage.interface import Change, Values

TABLE = "Forms"
CONTAINER = "forms"
_PAGE_ROWS = 500
# Form ids are UUIDs, so their rows lie below this, and those of names above.
_BELOW_NAMES = "g"


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form as it was read.

    Attributes:
        scope: the organization's id, or `GLOBAL`.
        form: what is stored.
        version: changes with each write; the form's ETag over HTTP.
        row: as read.
    """

    scope: str
    form: Form
    version: str
    row: Row


class FormRepository:
    """Reads and writes forms. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the forms are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)
        self._blobs = storage.blobs(CONTAINER)
        self._payloads = PayloadStore(self._blobs)

    async def create(self, scope: str, form: Form) -> StoredForm:
        """Stores a new form; one call, two when it is large.

        Raises:
            ConflictError: a form of the scope has this name.
        """
        return await self._write(scope, form, [Insert(_name_key(form), {"formId": form.id})], None)

    async def get(self, scope: str, form_id: str) -> StoredForm:
        """The form of a scope, or the global one that all scopes share; one call or two, and one more when it is large.

        Raises:
            NotFoundError: there is none, or it was deleted, or it belongs to another scope.
        """
        key = _form_key(form_id)
        for place in dict.fromkeys((scope, GLOBAL_SCOPE)):
            row = await self._table.get(key_text(place), key)
            if row is not None and "deletedAt" not in row.values:
                found = await self._read(place, row)
                if place == scope or found.form.is_global:
                    return found
        raise not_found()

    async def list(self, scope: str) -> Sequence[StoredForm]:
        """The forms of a scope and the global ones, the scope's own first, each by name."""
        places = dict.fromkeys((scope, GLOBAL_SCOPE))
        lists = await asyncio.gather(*(self._list_of(place) for place in places))
        own, *others = [sorted(forms, key=lambda found: found.form.name.casefold()) for forms in lists]
        return [*own, *(found for forms in others for found in forms if found.form.is_global)]

    async def replace(self, found: StoredForm, form: Form, versions: Collection[str] | None = None) -> StoredForm:
        """Stores a form in the place of one that was read; one call, up to three for large ones.

        Args:
            found: as read.
            form: what is to be stored; of the same id.
            versions: those that the caller knows; None for any.

        Raises:
            PreconditionFailedError: it was changed since.
            ConflictError: another form of the scope has this name.
        """
        changes: list[Change] = []
        if _name_key(form) != _name_key(found.form):
            changes = [Delete(_name_key(found.form)), Insert(_name_key(form), {"formId": form.id})]
        _check_version(found, versions)
        return await self._write(found.scope, form, changes, found)

    async def delete(self, found: StoredForm, now: datetime, versions: Collection[str] | None = None) -> None:
        """Marks a form as deleted and sets its name free; one call.

        Raises:
            PreconditionFailedError: it was changed since it was read.
        """
        _check_version(found, versions)
        values = {**found.row.values, "deletedAt": now.isoformat()}
        changes = [Delete(_name_key(found.form)), Replace(found.row.key, values, found.row.etag)]
        try:
            await self._table.transaction(key_text(found.scope), changes)
        except (ModifiedError, MissingError):
            row = await self._table.get(key_text(found.scope), found.row.key)
            # Deleted by somebody else, or by this call, whose answer was lost: it is gone either way.
            if row is not None and "deletedAt" not in row.values:
                raise _changed() from None

    async def _write(self, scope: str, form: Form, changes: Sequence[Change], before: StoredForm | None) -> StoredForm:
        partition, version = key_text(scope), secrets.token_hex(8)
        # A name of its own for each version: a write that comes too late must not spoil the blob of the one in force.
        content = form.model_dump(mode="json", exclude={"problems"})
        stored = (await self._payloads.put({"form": content}, f"{partition}/{form.id}/{version}"))["form"]
        values: Values = {
            # For people who look at the table.
            "name": form.name,
            "version": version,
            "form" if isinstance(stored, bytes) else "blob": stored,
        }
        change = Insert(form.id, values) if before is None else Replace(form.id, values, before.row.etag)
        try:
            # The form first: when both its ETag and its name are refused, it is the ETag that the caller hears of.
            etag = (await self._table.transaction(partition, [change, *changes]))[0]
        except (AlreadyExistsError, ModifiedError, MissingError) as error:
            row = await self._table.get(partition, form.id)
            if row is None or row.values["version"] != version:
                if isinstance(stored, str):
                    await self._blobs.delete(stored)
                if isinstance(error, AlreadyExistsError):
                    raise ConflictError(f"There is a form named {form.name!r} already") from None
                raise _changed() from None
            # The write was done, and only its answer lost.
            etag = row.etag
        if before is not None and "blob" in before.row.values:
            await self._blobs.delete(before.row.values["blob"])
        assert etag is not None
        return StoredForm(scope, form, version, Row(form.id, values, etag))

    async def _list_of(self, scope: str) -> list[StoredForm]:
        rows = self._table.rows(key_text(scope), above="", below=_BELOW_NAMES, page_rows=_PAGE_ROWS)
        return [await self._read(scope, row) async for row in rows if "deletedAt" not in row.values]

    async def _read(self, scope: str, row: Row) -> StoredForm:
        try:
            stored = await self._payloads.get({"form": row.values.get("form") or row.values["blob"]})
        except MissingError:
            # Replaced between the two calls: what holds now is in another blob.
            newer = await self._table.get(key_text(scope), row.key)
            if newer is None or newer.etag == row.etag:
                raise
            return await self._read(scope, newer)
        return StoredForm(scope, Form.model_validate(stored["form"]), row.values["version"], row)


def not_found() -> NotFoundError:
    """The one answer for a form that is not there, and for one that the caller must not know of."""
    return NotFoundError("There is no form of this id")


def _changed() -> PreconditionFailedError:
    return PreconditionFailedError("The form was changed since it was read; read it again")


def _check_version(found: StoredForm, versions: Collection[str] | None) -> None:
    if versions is not None and found.version not in versions:
        raise _changed()


def _form_key(form_id: str) -> str:
    try:
        return str(uuid.UUID(form_id))
    except ValueError:
        raise not_found() from None


def _name_key(form: Form) -> str:
    return f"name:{key_text(form.name.casefold())}"
