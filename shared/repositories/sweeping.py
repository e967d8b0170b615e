"""Removes rows that are of no use any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from shared.storage import Delete, MissingError, Row, Table

# As many as a transaction takes.
_MOST_CHANGES = 100


async def remove_rows(
    table: Table, partitions: Iterable[str], select: Sequence[str], is_expired: Callable[[Row], bool]
) -> AsyncIterator[Row]:
    """Removes rows of some partitions, whose keys begin with the partition's, and gives each that it removed.

    Args:
        table: where the rows are.
        partitions: their partition keys.
        select: the columns that are read.
        is_expired: whether a row is to be removed.
    """
    for partition in partitions:
        rows = table.rows(partition, above=partition, below=f"{partition}~", select=["RowKey", *select])
        expired = [row async for row in rows if is_expired(row)]
        for start in range(0, len(expired), _MOST_CHANGES):
            batch = expired[start : start + _MOST_CHANGES]
            try:
                await table.transaction(partition, [Delete(row.key) for row in batch])
            except MissingError:
                # Another instance does the same; what it leaves is for the next time.
                break
            for row in batch:
                yield row
