"""The log of a run while it goes on: chunks of lines, each stored once and never changed.

They lie in the record's partition, so that a chunk is stored in one transaction with the renewal of the lease: a worker
that has lost its execution can't add to the log. A chunk's row key ends with the sequence number of its last line:

    l:ID:ATTEMPT:LAST

The record of an ended execution holds its log whole; the chunks then say nothing new.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from shared.repositories.payloads import LONGEST_INLINE_BYTES
from shared.storage import Insert

if TYPE_CHECKING:
    from shared.models.results import JsonObject
    from shared.storage import Table

# A row holds 1 MiB, a transaction 4 MiB with everything in base64:
# https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
LARGEST_ROW_BYTES = 10 * LONGEST_INLINE_BYTES
LARGEST_FLUSH_BYTES = 2 * 1024 * 1024
_LARGE_LINES = 200
_PAGE_ROWS = 100


async def chunks_of(execution_id: str, attempt: int, lines: Sequence[JsonObject]) -> list[Insert]:
    """The rows that hold these lines.

    Args:
        execution_id, attempt: whose lines they are.
        lines: log entries in the order of their `seq`; of at most `LARGEST_FLUSH_BYTES`.
    """
    if len(lines) > _LARGE_LINES:
        return await asyncio.to_thread(_chunks, execution_id, attempt, lines)
    return _chunks(execution_id, attempt, lines)


async def read_chunks(
    table: Table, partition: str, execution_id: str, attempt: int, after: int
) -> list[dict[str, Any]]:
    """The lines stored so far that have a greater sequence number than `after`, in order. One call, usually."""
    above, below = _key(execution_id, attempt, after), _key(execution_id, attempt, None)
    lines: list[dict[str, Any]] = []
    async for row in table.rows(partition, above=above, below=below, page_rows=_PAGE_ROWS):
        lines += await asyncio.to_thread(_lines_in, row.values)
    return [line for line in lines if line["seq"] > after]


def _chunks(execution_id: str, attempt: int, lines: Sequence[JsonObject]) -> list[Insert]:
    content = zlib.compress(json.dumps(lines, allow_nan=False, separators=(",", ":")).encode("ascii"))
    if len(content) > LARGEST_ROW_BYTES and len(lines) > 1:
        half = len(lines) // 2
        return [*_chunks(execution_id, attempt, lines[:half]), *_chunks(execution_id, attempt, lines[half:])]
    columns = {
        f"lines{number:02}": content[start : start + LONGEST_INLINE_BYTES]
        for number, start in enumerate(range(0, len(content), LONGEST_INLINE_BYTES))
    }
    return [Insert(_key(execution_id, attempt, lines[-1]["seq"]), columns)]


def _lines_in(columns: Any) -> list[dict[str, Any]]:
    content = b"".join(columns[name] for name in sorted(columns) if name.startswith("lines"))
    return cast("list[dict[str, Any]]", json.loads(zlib.decompress(content)))


def _key(execution_id: str, attempt: int, last: int | None) -> str:
    """The key of the chunk that ends with this line; None: what sorts behind all chunks of the attempt."""
    return f"l:{execution_id}:{attempt:05}:" + ("~" if last is None else f"{last:010}")
