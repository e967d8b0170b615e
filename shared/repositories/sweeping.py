"""Removes rows that are of no use any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from shared.storage import Delete, MissingError, Row, Table

_PAGE_ROWS = 100


async def remove_rows(
    table: Table, partitions: Iterable[str], select: Sequence[str], is_over: Callable[[Row], bool]
) -> AsyncIterator[Row]:
    """Removes rows of some partitions, whose keys begin with the partition's, and gives each that it removed.

    Args:
        table: where the rows are.
        partitions: their partition keys.
        select: the columns that are read.
        is_over: whether a row is to be removed.
    """
    for partition in partitions:
        continuation = None
        while True:
            page = await table.query(
                partition,
                above=partition,
                below=f"{partition}~",
                limit=_PAGE_ROWS,
                select=["RowKey", *select],
                continuation=continuation,
            )
            over = [row for row in page.rows if is_over(row)]
            if over:
                try:
                    await table.transaction(partition, [Delete(row.key) for row in over])
                except MissingError:
                    # Another instance does the same; what it leaves is for the next time.
                    break
                for row in over:
                    yield row
            continuation = page.continuation
            if continuation is None:
                break
