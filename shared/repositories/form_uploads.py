"""Files that forms have asked for: one row for each URL that was issued.

An upload that no submission has used by the time its row is removed goes with it; the others are their workflow's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.repositories.sweeping import remove_rows
from shared.storage import BlobProperties, Insert, MissingError, ModifiedError, Row
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Storage

TABLE = "FormUploads"
CONTAINER = "uploads"
# How long an upload may be submitted; as long as a submission may be made again with its Idempotency-Key.
VALID_FOR = timedelta(hours=24)
# Rows are spread over as many partitions, so that they can be looked through without reading the table as a whole.
_PARTITIONS = "0123456789abcdef"
_LONGEST_NAME_IN_URL = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was, or is to be, uploaded.

    Attributes:
        upload_id: issued with the URL.
        scope, form_id, field: who issued it, and for what.
        name: of the file, as the client has it.
        blob_name: where it lies.
        blob_uri: the address of that.
        row: as read; None before it is stored.
    """

    upload_id: str
    scope: str
    form_id: str
    field: str
    name: str
    blob_name: str
    blob_uri: str
    row: Row | None = None


class FormUploadRepository:
    """Keeps uploads. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where they are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)
        self._blobs = storage.blobs(CONTAINER)

    async def issue(
        self, scope: str, form_id: str, field: str, name: str, now: datetime, expires_at: datetime
    ) -> tuple[Upload, str]:
        """Makes a signed URL for a file of a form, and records it; gives both.

        Raises:
            SettingsError: the settings hold no key to sign with.
        """
        upload_id = str(uuid.uuid4())
        blob_name = f"{key_text(scope)}/{form_id}/{upload_id}/{key_text(name)[:_LONGEST_NAME_IN_URL]}"
        url = await self._blobs.upload_url(blob_name, expires_at)
        upload = Upload(upload_id, scope, form_id, field, name, blob_name, url.blob_uri)
        values = {
            "scope": scope,
            "formId": form_id,
            "field": field,
            "name": name,
            "blobName": blob_name,
            "blobUri": url.blob_uri,
            "givenOutAt": now.isoformat(),
        }
        await self._table.transaction(upload_id[0], [Insert(upload_id, values)])
        return upload, url.url

    async def find(self, scope: str, form_id: str, reference: str, now: datetime) -> Upload | None:
        """The upload of this id or blob URI, if this form issued it to this scope in the last 24 hours; one call."""
        by_uri = "/" in reference
        try:
            key = str(uuid.UUID(reference.split("/")[-2] if by_uri else reference))
        except ValueError:
            return None
        row = await self._table.get(key[0], key)
        if row is None or _has_expired(row, now) or (row.values["scope"], row.values["formId"]) != (scope, form_id):
            return None
        values = row.values
        if by_uri and values["blobUri"] != reference:
            return None
        return Upload(key, scope, form_id, values["field"], values["name"], values["blobName"], values["blobUri"], row)

    async def properties(self, upload: Upload) -> BlobProperties | None:
        """What was uploaded; None when nothing was."""
        return await self._blobs.properties(upload.blob_name)

    async def read(self, blob_name: str) -> bytes | None:
        """A file, whole; None when it is not there."""
        return await self._blobs.get(blob_name)

    async def discard(self, upload: Upload) -> None:
        """Removes what was uploaded. Until its URL expires, something better can be put in its place."""
        await self._blobs.delete(upload.blob_name)

    async def mark_used(self, upload: Upload) -> None:
        """Records that a submission uses it, so that it stays when its row goes; one call, none when that is known."""
        assert upload.row is not None
        if "isUsed" in upload.row.values:
            return
        try:
            await self._table.update(upload.upload_id[0], upload.upload_id, {"isUsed": True}, upload.row.etag, "merge")
        except (ModifiedError, MissingError):
            # Another submission of the same file was faster; or the clean-up, which takes rows long out of use only.
            return

    async def remove_old(self, now: datetime) -> int:
        """Removes the rows that have expired, with the files that no submission used, and says how many."""
        removed = 0
        columns = ["givenOutAt", "isUsed", "blobName"]
        async for row in remove_rows(
            self._table, _PARTITIONS, columns, lambda row: _has_expired(row, now - timedelta(hours=1))
        ):
            removed += 1
            if "isUsed" not in row.values:
                await self._blobs.delete(row.values["blobName"])
        return removed


def _has_expired(row: Row, now: datetime) -> bool:
    return datetime.fromisoformat(row.values["givenOutAt"]) + VALID_FOR <= now
