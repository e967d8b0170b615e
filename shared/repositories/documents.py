"""JSON documents of moderate size, one row each, that are read and changed as a whole."""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from shared.errors import ConflictError, PayloadTooLargeError
from shared.repositories.payloads import LONGEST_INLINE_BYTES
from shared.storage import AlreadyExistsError, Insert, MissingError, ModifiedError, Replace

if TYPE_CHECKING:
    from shared.storage import Row, Table

LARGEST_DOCUMENT_BYTES = 8 * LONGEST_INLINE_BYTES
# Of those who change a document at the same time one gets through at each turn.
_TRIES = 20


class Documents:
    """The documents of one partition. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        table: where they are.
        partition: the partition key.
    """

    def __init__(self, table: Table, partition: str) -> None:
        self._table = table
        self._partition = partition

    async def read(self, keys: Collection[str]) -> dict[str, Any]:
        """The documents that are there, by key; one call."""
        if len(keys) == 1:
            (key,) = keys
            row = await self._table.get(self._partition, key)
            return {} if row is None else {key: _value_of(row)}
        rows = await self._table.get_several(self._partition, keys)
        return {key: _value_of(row) for key, row in rows.items()}

    async def change(self, key: str, edit: Callable[[Any], Any]) -> None:
        """Changes a document, on the condition that nobody else does so meanwhile; two calls, more when somebody did.

        Args:
            key: its key.
            edit: gives the new value for the one that is there, None when there is none; what it raises is raised. It
                may be called several times.

        Raises:
            PayloadTooLargeError: it would become larger than `LARGEST_DOCUMENT_BYTES`, compressed.
            ConflictError: others change it all the time.
        """
        for _ in range(_TRIES):
            row = await self._table.get(self._partition, key)
            token = secrets.token_hex(8)
            values = {**_columns_of(edit(None if row is None else _value_of(row))), "version": token}
            change = Insert(key, values) if row is None else Replace(key, values, row.etag)
            try:
                await self._table.transaction(self._partition, [change])
            except (AlreadyExistsError, ModifiedError, MissingError):
                found = await self._table.get(self._partition, key)
                if found is None or found.values.get("version") != token:
                    continue
                # The write was done, and only its answer lost.
            return
        raise ConflictError("Others are changing this all the time; try again")


def _columns_of(value: Any) -> Mapping[str, bytes]:
    content = zlib.compress(json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii"))
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise PayloadTooLargeError(f"Together this is more than {LARGEST_DOCUMENT_BYTES} bytes, compressed")
    starts = range(0, len(content), LONGEST_INLINE_BYTES)
    return {f"part{number}": content[start : start + LONGEST_INLINE_BYTES] for number, start in enumerate(starts)}


def _value_of(row: Row) -> Any:
    parts = (row.values[name] for name in sorted(row.values) if name.startswith("part"))
    return json.loads(zlib.decompress(b"".join(parts)))
