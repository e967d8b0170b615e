"""The record store of executions.

A record is one main row, which rules, and one row in each list it belongs to (see `execution_keys`). All of them are
written in one transaction, on the condition that the main row is as it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.repositories.execution_keys import (
    key_of_token,
    key_range,
    list_key,
    lists_of,
    main_key,
    narrowest_list,
    status_list,
    token_of,
)
from shared.repositories.execution_rows import (
    PAYLOAD_COLUMNS,
    SUMMARY_COLUMNS,
    changing_values,
    payload_values,
    record_of,
    record_values,
    summary_of,
    summary_values,
)
from shared.repositories.payloads import PayloadStore
from shared.repositories.records import (
    ExecutionEnd,
    ExecutionFilters,
    ExecutionRecord,
    JsonObject,
    new_write_token,
)
from shared.storage import (
    AlreadyExistsError,
    Delete,
    Insert,
    MissingError,
    ModifiedError,
    Replace,
    Row,
    Upsert,
    current_counter,
)
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Storage
    from shared.storage.tables import Change

TABLE = "Executions"
CONTAINER = "executions"
LARGEST_PAGE = 1000
# With several filters, one page looks at no more than about 4,000 records.
MOST_QUERIES = 5


class ExecutionChangedError(Exception):
    """The execution is no longer as it was read: somebody else wrote it, or its state does not allow this."""


class ExecutionRepository:
    """Stores and finds executions. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the records are.
    """

    def __init__(self, storage: Storage) -> None:
        self._table = storage.table(TABLE)
        self._payloads = PayloadStore(storage.blobs(CONTAINER))

    async def create(self, record: ExecutionRecord) -> ExecutionRecord:
        """Stores a new record (Pending or Running), in every list that it belongs to, in one call.

        Safe to repeat with the same record: its `write_token` is recognized.

        Returns:
            The record as stored, with `etag`; the one to go on with.

        Raises:
            ExecutionChangedError: there is another execution with this id.
        """
        if record.status not in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING):
            raise ValueError(f"a new execution is Pending or Running, not {record.status}")
        record = _with_cost(await self._with_payloads(None, record))
        return await self._write(record, [Insert(main_key(record.execution_id), record_values(record))])

    async def get(self, scope: str, execution_id: str) -> ExecutionRecord | None:
        """Reads a record whole; None when there is none in this scope. One call, one more for each large payload group.

        Args:
            scope: the caller's.
            execution_id: a canonical id (`parse_execution_id`).

        Raises:
            MissingError: a blob of the record is gone.
        """
        row = await self._table.get(key_text(scope), main_key(execution_id))
        if row is None:
            return None
        stored = {name: row.values[name] for name in PAYLOAD_COLUMNS if name in row.values}
        return record_of(row, scope, await self._payloads.get(stored))

    async def claim(self, record: ExecutionRecord, *, started_at: datetime, lease_until: datetime) -> ExecutionRecord:
        """Pending → Running, for one worker only.

        Raises:
            ExecutionChangedError: another worker was faster, or the record is not Pending.
        """
        following = replace(
            record,
            status=ExecutionStatus.RUNNING,
            started_at=started_at,
            lease_until=lease_until,
            write_token=new_write_token(),
        )
        return await self.transition(record, following)

    async def finish(self, record: ExecutionRecord, end: ExecutionEnd) -> ExecutionRecord:
        """Writes the end of a run. Safe to repeat with the same `end`.

        Raises:
            ExecutionChangedError: the record was changed since it was read, or its state can't end so.
        """
        return await self.transition(record, end.of(record))

    async def transition(self, current: ExecutionRecord, following: ExecutionRecord) -> ExecutionRecord:
        """Replaces a record by the one that follows it, when nobody has changed it since it was read.

        Args:
            current: the record as read or last written.
            following: `replace(current, status=…, …)`; with a new `write_token` it is safe to repeat.

        Raises:
            ExecutionChangedError: as for `finish`.
        """
        if not current.status.may_become(following.status):
            raise ExecutionChangedError(
                f"Execution {current.execution_id} is {current.status} and can't become {following.status}"
            )
        if following.write_token == current.write_token:
            # Another writer may have started from the same record: its write must not be taken for this one.
            following = replace(following, write_token=new_write_token())
        following = _with_cost(await self._with_payloads(current, following))
        key = main_key(current.execution_id)
        return await self._write(
            following,
            [
                Replace(key, record_values(following), _etag(current)),
                Delete(list_key(status_list(current.status), current.execution_id)),
            ],
        )

    async def renew(
        self, record: ExecutionRecord, *, lease_until: datetime, progress: JsonObject | None = None
    ) -> ExecutionRecord:
        """Prolongs the lease of a run and stores its progress, when there is news of it.

        Raises:
            ExecutionChangedError: the record was changed since: somebody asked to cancel, or took it over.
        """
        following = replace(record, lease_until=lease_until, write_token=new_write_token())
        if progress is not None:
            stored = await self._payloads.put({"progress": progress}, _blob_name(following))
            following = replace(following, progress=progress, stored={**record.stored, **stored})
        following = _with_cost(following)
        values = {**changing_values(following), "progress": following.stored.get("progress")}
        key = main_key(record.execution_id)
        try:
            etag = await self._table.update(key_text(record.scope), key, values, _etag(record), "merge")
        except (ModifiedError, MissingError):
            etag = await self._etag_of_own_write(following)
        return _stored(following, etag)

    async def list(
        self, scope: str, filters: ExecutionFilters, *, limit: int, token: str | None = None
    ) -> tuple[list[ExecutionSummary], str | None]:
        """One page of summaries, newest first, and the token of the next page, None at the end.

        A page of one filter is full unless it is the last. A page of several filters may be short, even empty, and
        still have a token, since the number of records looked at for one page is bounded.

        Args:
            scope: the caller's; a token never leads out of it.
            filters: all of them hold.
            limit: from 1 to 1,000.
            token: of the page before, read with the same filters.

        Raises:
            BadRequestError: the token is not one of this list.
        """
        prefix = narrowest_list(filters)
        above, below = key_range(prefix, filters.created_from, filters.created_to)
        last_key = key_of_token(token, prefix) if token else None
        if last_key is not None:
            above = max(above, last_key)
        others = _other_filters(filters)
        size = min((limit + 1) * (8 if others else 1), LARGEST_PAGE)

        found: list[Row] = []
        continuation = None
        for _ in range(MOST_QUERIES):
            page = await self._table.query(
                key_text(scope),
                above=above,
                below=below,
                limit=size,
                select=SUMMARY_COLUMNS,
                continuation=continuation,
            )
            for row in page.rows:
                if all(row.values[name] == value for name, value in others.items()):
                    if len(found) == limit:
                        return [summary_of(each, scope) for each in found], token_of(found[-1].key)
                    found.append(row)
                last_key = row.key
            continuation = page.continuation
            if continuation is None:
                return [summary_of(each, scope) for each in found], None
            size = LARGEST_PAGE
        return [summary_of(each, scope) for each in found], last_key and token_of(last_key)

    async def _with_payloads(self, current: ExecutionRecord | None, following: ExecutionRecord) -> ExecutionRecord:
        """Stores the payloads that are not stored yet."""
        before = payload_values(current) if current else {}
        values = payload_values(following)
        kept = {
            name: following.stored[name]
            for name, value in values.items()
            if name in following.stored and before.get(name) is value
        }
        fresh = {name: value for name, value in values.items() if name not in kept}
        return replace(following, stored={**kept, **await self._payloads.put(fresh, _blob_name(following))})

    async def _write(self, record: ExecutionRecord, changes: Sequence[Change]) -> ExecutionRecord:
        """Makes the changes, of which the first is that of the main row, and writes all list rows of the record."""
        summary = summary_values(record)
        listed = [Upsert(list_key(prefix, record.execution_id), summary) for prefix in lists_of(record)]
        try:
            etag = (await self._table.transaction(key_text(record.scope), [*changes, *listed]))[0]
        except (AlreadyExistsError, ModifiedError, MissingError):
            etag = await self._etag_of_own_write(record)
        return _stored(record, etag)

    async def _etag_of_own_write(self, record: ExecutionRecord) -> str:
        """The ETag of the main row, when it is this very write that stored it.

        A write whose answer was lost is made again, and then meets itself.
        """
        row = await self._table.get(key_text(record.scope), main_key(record.execution_id), ["writeToken"])
        if row is None or row.values["writeToken"] != record.write_token:
            raise ExecutionChangedError(f"Execution {record.execution_id} was changed by somebody else")
        return row.etag


def _blob_name(record: ExecutionRecord) -> str:
    """Named after the write, so that one which is repeated leaves no second blob."""
    return f"{key_text(record.scope)}/{record.execution_id}/{record.attempt}-{record.status}-{record.write_token}"


def _etag(record: ExecutionRecord) -> str:
    if record.etag is None:
        raise ValueError(f"execution {record.execution_id} was neither read nor stored")
    return record.etag


def _with_cost(record: ExecutionRecord) -> ExecutionRecord:
    """Adds to `storage_calls` what the counter has seen since the last write, and the write that is to come."""
    counter = current_counter()
    if counter is None:
        return record
    return replace(record, storage_calls=record.storage_calls + counter.total - counter.recorded + 1)


def _stored(record: ExecutionRecord, etag: str | None) -> ExecutionRecord:
    counter = current_counter()
    if counter is not None:
        counter.recorded = counter.total
    return replace(record, etag=etag)


def _other_filters(filters: ExecutionFilters) -> dict[str, str]:
    """The columns that must have a value besides what the narrowest list holds already."""
    columns = {"workflowName": filters.workflow_name, "status": filters.status}
    others = {name: str(value) for name, value in columns.items() if value is not None}
    if filters.executed_by is None and others:
        others.pop(next(iter(others)))
    return others
