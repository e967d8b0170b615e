"""Tables: rows by key, ranges of rows, and changes to several rows of one partition at once."""
# The SDK leaves its keyword arguments, and what a row holds, without types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from shared.storage.azure.calls import Calls, Operation
from shared.storage.azure.transactions import send_transaction
from shared.storage.errors import MissingError
from shared.storage.interface import Change, Page, Row, Table, Values

if TYPE_CHECKING:
    from azure.data.tables import TableEntity
    from azure.data.tables.aio import TableClient

T = TypeVar("T")


class AzureTable(Table):
    """A table of a storage account.

    Args:
        calls: makes the calls.
        client: gives the SDK's client.
    """

    def __init__(self, calls: Calls, client: Callable[[], TableClient]) -> None:
        self._calls = calls
        self._client = client

    async def insert(self, partition: str, key: str, values: Values) -> str:
        return _etag(await self._run(lambda: self._client().create_entity(_entity(partition, key, values))))

    async def get(self, partition: str, key: str, select: Sequence[str] | None = None) -> Row | None:
        try:
            entity = await self._calls.run(partial(self._client().get_entity, partition, key, select=_columns(select)))
        except MissingError:
            return None
        return _row(entity, key)

    async def get_several(self, partition: str, keys: Collection[str]) -> dict[str, Row]:
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
        # The SDK takes a row that is not there for deleted.
        await self._calls.run(lambda: self._client().delete_entity(partition, key))

    async def transaction(self, partition: str, changes: Sequence[Change]) -> list[str | None]:
        return await self._run(partial(send_transaction, self._client(), partition, changes))

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
