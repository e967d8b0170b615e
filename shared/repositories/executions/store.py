"""The record store of executions.

A record is one main row, which rules, and one row in each list it belongs to (see `keys`). All of them are written in
one transaction, on the condition that the main row is as it was read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.models.results import ExecutionResult, JsonObject
from shared.repositories.executions.ended import log_end
from shared.repositories.executions.keys import ALL, UNSENT, list_key, status_list
from shared.repositories.executions.lists import read_page, read_unfinished
from shared.repositories.executions.log import chunks_of, read_chunks
from shared.repositories.executions.record import ExecutionFilters, ExecutionRecord, new_write_token
from shared.repositories.executions.rows import (
    PAYLOAD_COLUMNS,
    UnfinishedExecution,
    payload_values,
    record_of,
    record_values,
    renewed_values,
    summary_values,
)
from shared.repositories.executions.scopes import ScopeRegister
from shared.repositories.payloads import PayloadStore
from shared.storage import (
    AlreadyExistsError,
    CallCounter,
    Change,
    Delete,
    Insert,
    Merge,
    MissingError,
    ModifiedError,
    Replace,
    Storage,
    Upsert,
    storage_calls,
)
from shared.storage.keys import key_text

TABLE = "Executions"
CONTAINER = "executions"


class ExecutionChangedError(Exception):
    """The execution is no longer as it was read: somebody else wrote it, or its state does not allow this."""


class ExecutionStore:
    """Stores and finds executions. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where the records are.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._table = storage.table(TABLE)
        self._scopes = ScopeRegister(self._table)
        self._payloads = PayloadStore(storage.blobs(CONTAINER))

    @property
    def is_reachable(self) -> bool:
        """False after a call did not reach storage, until one does."""
        return self._storage.is_available

    async def create(self, record: ExecutionRecord) -> ExecutionRecord:
        """Stores a new record, in every list that it belongs to, in one call; the first of a scope costs one more.

        It may have ended already: a quick run is recorded once, with its end. Safe to repeat with the same record: its
        `write_token` is recognized.

        Returns:
            The record as stored, with `etag`; the one to go on with.

        Raises:
            ExecutionChangedError: there is another execution with this id.
        """
        if record.status is ExecutionStatus.CANCELLING:
            raise ValueError("nobody can have asked for the end of an execution that is not recorded")
        if not self._scopes.knows(record.scope):
            await self._scopes.add(record.scope)
        return await self._write(None, record)

    async def get(self, scope: str, execution_id: str) -> ExecutionRecord | None:
        """Reads a record whole; None when there is none in this scope. One call, one more for each large payload group.

        Args:
            scope: the caller's.
            execution_id: a canonical id (`parse_execution_id`).

        Raises:
            MissingError: a blob of the record is gone.
        """
        partition = key_text(scope)
        row = await self._table.get(partition, list_key(ALL, execution_id))
        if row is None:
            return None
        stored = {name: row.values[name] for name in PAYLOAD_COLUMNS if name in row.values}
        return record_of(row, scope, partition, await self._payloads.get(stored))

    async def claim(self, record: ExecutionRecord, *, started_at: datetime, lease_until: datetime) -> ExecutionRecord:
        """Pending → Running, for one worker only.

        Raises:
            ExecutionChangedError: another worker was faster, or the record is not Pending.
        """
        following = replace(
            record,
            status=ExecutionStatus.RUNNING,
            started_at=started_at,
            due_at=None,
            is_unsent=False,
            lease_until=lease_until,
            write_token=new_write_token(),
        )
        return await self.transition(record, following)

    async def finish(
        self, record: ExecutionRecord, end: ExecutionResult, write_token: str | None = None
    ) -> ExecutionRecord:
        """Writes the end of a run. Safe to repeat with the same `write_token`.

        Raises:
            ExecutionChangedError: the record was changed since it was read, or its state can't end so.
        """
        return await self.transition(record, record.ended(end, write_token or new_write_token()))

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
        return await self._write(current, following)

    async def reschedule(self, record: ExecutionRecord, *, due_at: datetime, is_unsent: bool) -> ExecutionRecord:
        """Writes to a Pending record when its message was sent, or that it was not.

        Raises:
            ExecutionChangedError: the record is no longer Pending, or somebody else has just done the same.
        """
        if record.status is not ExecutionStatus.PENDING:
            raise ExecutionChangedError(f"Execution {record.execution_id} is {record.status} and waits for no message")
        return await self._write(
            record, replace(record, due_at=due_at, is_unsent=is_unsent, write_token=new_write_token())
        )

    async def renew(
        self,
        record: ExecutionRecord,
        *,
        lease_until: datetime,
        progress: JsonObject | None = None,
        lines: Sequence[JsonObject] = (),
    ) -> ExecutionRecord:
        """Prolongs the lease of a run, and stores in the same call its progress and log lines, when there are new ones.

        Args:
            record: as last stored.
            lease_until: until when the lease holds then.
            progress: as reported since the last renewal; None for no news.
            lines: of the log, see `chunks_of`.

        Raises:
            ExecutionChangedError: the record was changed since: somebody asked to cancel, or took it over.
        """
        counter = storage_calls.get()
        following = replace(record, lease_until=lease_until, write_token=new_write_token())
        if progress is not None:
            stored = await self._payloads.put({"progress": progress}, _blob_name(following))
            following = replace(following, progress=progress, stored={**record.stored, **stored})
        following = _with_cost(following, counter)
        key, partition, values = record.keys.main, record.keys.partition, renewed_values(following)
        try:
            if lines:
                chunks = await chunks_of(record.execution_id, record.attempt, lines)
                etag = (await self._table.transaction(partition, [Merge(key, values, _etag(record)), *chunks]))[0]
            else:
                etag = await self._table.update(partition, key, values, _etag(record), "merge")
        except (AlreadyExistsError, ModifiedError, MissingError):
            etag = await self._etag_of_own_write(following)
        return _stored(following, etag, counter)

    async def lines_so_far(self, record: ExecutionRecord, after: int = 0) -> list[dict[str, Any]]:
        """The log lines of the record's attempt that were stored while it ran, numbered above `after`."""
        return await read_chunks(self._table, record.keys.partition, record.execution_id, record.attempt, after)

    async def scopes(self) -> Sequence[str]:
        """All scopes that have executions."""
        return await self._scopes.all()

    def unfinished(
        self, scope: str, status: ExecutionStatus, created_to: datetime
    ) -> AsyncIterator[UnfinishedExecution]:
        """What is in a state, of what was created until a moment; a call for each 1,000 of them."""
        return read_unfinished(self._table, scope, status_list(status), created_to)

    def unsent(self, scope: str) -> AsyncIterator[UnfinishedExecution]:
        """What waits although its message could not be sent; a call for each 1,000 of them."""
        return read_unfinished(self._table, scope, UNSENT, None)

    async def list(
        self, scope: str, filters: ExecutionFilters, *, limit: int, token: str | None = None
    ) -> tuple[list[ExecutionSummary], str | None]:
        """One page of summaries, newest first, and the token of the next page, None at the end.

        A page of one filter is full unless it is the last. It costs a call; one of several statuses a call for each. A
        page of several filters may be short, even empty, and still have a token, since the number of records looked at
        for one page is bounded.

        Args:
            scope: the caller's; a token never leads out of it.
            filters: all of them hold.
            limit: from 1 to 1,000.
            token: of the page before, read with the same filters.

        Raises:
            BadRequestError: the token is not one of this list.
        """
        return await read_page(self._table, scope, filters, limit=limit, token=token)

    async def _with_payloads(self, current: ExecutionRecord | None, following: ExecutionRecord) -> ExecutionRecord:
        """Stores the payloads that are not stored yet."""
        before: Mapping[str, Any] = payload_values(current) if current and current.stored else {}
        values = payload_values(following)
        unchanged = {
            name: following.stored[name]
            for name, value in values.items()
            if name in following.stored and name in before and (before[name] is value or before[name] == value)
        }
        fresh = {name: value for name, value in values.items() if name not in unchanged}
        return replace(following, stored={**unchanged, **await self._payloads.put(fresh, _blob_name(following))})

    async def _write(self, current: ExecutionRecord | None, following: ExecutionRecord) -> ExecutionRecord:
        """Writes the main row in the place of the one before, if there was one, and all list rows of the record."""
        counter, keys = storage_calls.get(), following.keys
        following = _with_cost(await self._with_payloads(current, following), counter)
        summary = summary_values(following)
        values = record_values(following, summary)
        listed = keys.listed(following.status, is_unsent=following.is_unsent)
        if current is None:
            changes: list[Change] = [Insert(keys.main, values)]
        else:
            before = keys.listed(current.status, is_unsent=current.is_unsent)
            changes = [Replace(keys.main, values, _etag(current))]
            changes += [Delete(key) for key in before if key not in listed]
        changes += [Upsert(key, summary) for key in listed]
        try:
            etag = (await self._table.transaction(keys.partition, changes))[0]
        except (AlreadyExistsError, ModifiedError, MissingError):
            etag = await self._etag_of_own_write(following)
        if following.end is not None and (current is None or current.end is None):
            log_end(following)
        return _stored(following, etag, counter)

    async def _etag_of_own_write(self, record: ExecutionRecord) -> str:
        """The ETag of the main row, when it is this very write that stored it.

        A write whose answer was lost is made again, and then meets itself.
        """
        row = await self._table.get(record.keys.partition, record.keys.main, ["writeToken"])
        if row is None or row.values["writeToken"] != record.write_token:
            raise ExecutionChangedError(f"Execution {record.execution_id} was changed by somebody else")
        return row.etag


def _blob_name(record: ExecutionRecord) -> str:
    """Named after the write, so that one which is repeated leaves no second blob."""
    place = f"{record.keys.partition}/{record.execution_id}"
    return f"{place}/{record.attempt}-{record.status}-{record.write_token}"


def _etag(record: ExecutionRecord) -> str:
    if record.etag is None:
        raise ValueError(f"execution {record.execution_id} was neither read nor stored")
    return record.etag


def _with_cost(record: ExecutionRecord, counter: CallCounter | None) -> ExecutionRecord:
    """Adds to `storage_calls` what the counter has seen since the last write, and the write that is to come."""
    if counter is None:
        return record
    return replace(record, storage_calls=record.storage_calls + counter.total - counter.recorded + 1)


def _stored(record: ExecutionRecord, etag: str | None, counter: CallCounter | None) -> ExecutionRecord:
    if counter is not None:
        counter.recorded = counter.total
    return replace(record, etag=etag)
