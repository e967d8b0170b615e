"""Tables: rows by key, ranges of rows, and changes to several rows of one partition at once."""
# The SDK leaves its keyword arguments, and what a row holds, without types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from shared.storage.calls import Calls, Operation
from shared.storage.errors import MissingError
from shared.storage.transactions import Change, Values, send_transaction

if TYPE_CHECKING:
    from azure.data.tables import TableEntity
    from azure.data.tables.aio import TableClient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row.

    Attributes:
        key: its row key.
        values: its columns, without the keys.
        etag: opaque; changes with each write.
    """

    key: str
    values: Mapping[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Page:
    """What one query brought.

    Attributes:
        rows: in the order of their keys; can be none even when there is more to come.
        continuation: for the query of the next page; None at the end.
    """

    rows: list[Row]
    continuation: Mapping[str, str] | None


class Table:
    """A table. All methods raise as `Calls.run` does, and besides that what they say.

    Args:
        calls: makes the calls.
        client: gives the SDK's client.
    """

    def __init__(self, calls: Calls, client: Callable[[], TableClient]) -> None:
        self._calls = calls
        self._client = client

    async def insert(self, partition: str, key: str, values: Values) -> str:
        """Adds a row and gives its ETag.

        Raises:
            AlreadyExistsError: there is a row with this key.
        """
        return _etag(await self._run(lambda: self._client().create_entity(_entity(partition, key, values))))

    async def get(self, partition: str, key: str, select: Sequence[str] | None = None) -> Row | None:
        """Reads a row, or the selected columns of it; None when there is none."""
        try:
            entity = await self._calls.run(lambda: self._client().get_entity(partition, key, select=_columns(select)))
        except MissingError:
            return None
        return _row(entity, key)

    async def get_several(self, partition: str, keys: Collection[str]) -> dict[str, Row]:
        """Reads the rows that are there, by key, in one call; a handful of keys at most."""
        wanted = " or ".join(f"RowKey eq {_quoted(key)}" for key in keys)

        async def read() -> dict[str, Row]:
            found = self._client().query_entities(f"PartitionKey eq {_quoted(partition)} and ({wanted})")
            rows = [_row(entity, str(cast("Any", entity)["RowKey"])) async for entity in found]
            return {row.key: row for row in rows}

        try:
            return await self._calls.run(read)
        except MissingError:
            return {}

    async def query(
        self,
        partition: str,
        *,
        above: str,
        below: str,
        limit: int,
        select: Sequence[str] | None = None,
        continuation: Mapping[str, str] | None = None,
    ) -> Page:
        """Reads one page of the rows whose keys lie between two keys, in their order.

        Args:
            partition: the partition key.
            above, below: bounds of the row key, which don't belong to the range.
            limit: how many rows at most, up to 1,000.
            select: the columns to read; None for all.
            continuation: of the page before, for the same query.
        """
        keys = f"PartitionKey eq {_quoted(partition)} and RowKey gt {_quoted(above)} and RowKey lt {_quoted(below)}"

        async def read() -> Page:
            pages = (
                self._client()
                .query_entities(keys, results_per_page=limit, select=_columns(select))
                .by_page(cast("Any", continuation))
            )
            rows = [_row(entity, str(cast("Any", entity)["RowKey"])) async for entity in await anext(pages)]
            return Page(rows, cast("Any", pages).continuation_token or None)

        try:
            return await self._calls.run(read)
        except MissingError:
            return Page([], None)

    async def update(
        self, partition: str, key: str, values: Values, etag: str, mode: Literal["merge", "replace"]
    ) -> str:
        """Changes the row with this ETag and gives the new one; `merge` keeps the columns that are not given.

        Raises:
            ModifiedError: the row has another ETag.
            MissingError: there is no such row.
        """
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        return _etag(
            await self._run(
                lambda: self._client().update_entity(
                    _entity(partition, key, values),
                    UpdateMode(mode),
                    etag=etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            )
        )

    async def delete(self, partition: str, key: str) -> None:
        """Removes a row, if it is there."""
        # The SDK takes a row that is not there for deleted.
        await self._calls.run(lambda: self._client().delete_entity(partition, key))

    async def transaction(self, partition: str, changes: Sequence[Change]) -> list[str | None]:
        """Makes up to 100 changes in one partition, all or none, in one call.

        Returns:
            The ETag of each row, None for deleted ones.

        Raises:
            AlreadyExistsError, ModifiedError, MissingError: what the first change that can't be made ran into.
        """
        return await self._run(lambda: send_transaction(self._client(), partition, changes))

    async def _run(self, operation: Operation[T]) -> T:
        return await self._calls.run(operation, lambda: self._client().create_table())


def _entity(partition: str, key: str, values: Values) -> dict[str, Any]:
    columns = {name: value for name, value in values.items() if value is not None}
    return {**columns, "PartitionKey": partition, "RowKey": key}


def _row(entity: TableEntity, key: str) -> Row:
    columns = cast("Mapping[str, Any]", entity)
    values = {name: value for name, value in columns.items() if name not in ("PartitionKey", "RowKey")}
    return Row(key, values, str(entity.metadata["etag"]))


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["etag"])


def _columns(select: Sequence[str] | None) -> list[str] | None:
    return None if select is None else list(select)


def _quoted(text: str) -> str:
    """A string literal of OData: a quote inside is doubled."""
    return "'" + text.replace("'", "''") + "'"
