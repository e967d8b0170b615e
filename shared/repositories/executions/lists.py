"""Reading the lists of executions, see `keys`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.repositories.executions.keys import (
    ALL,
    key_of_token,
    key_range,
    status_list,
    status_lists,
    tail_in,
    token_of,
    user_list,
    workflow_list,
)
from shared.repositories.executions.record import ExecutionFilters
from shared.repositories.executions.rows import (
    SUMMARY_COLUMNS,
    UNFINISHED_COLUMNS,
    UnfinishedExecution,
    listed_name,
    summary_of,
    unfinished_of,
)
from shared.storage.interface import LARGEST_PAGE
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Page, Row, Table

# With several filters, one page looks at no more than about 4,000 records.
MOST_QUERIES = 5


async def read_page(
    table: Table, scope: str, filters: ExecutionFilters, *, limit: int, token: str | None
) -> tuple[list[ExecutionSummary], str | None]:
    """One page of summaries and the token of the next; see `ExecutionStore.list`."""
    statuses = frozenset(filters.statuses)
    if len(statuses) == len(ExecutionStatus):
        filters = replace(filters, statuses=())
    elif len(statuses) > 1 and filters.workflow_name is None and filters.executed_by is None:
        return await _read_several(table, scope, statuses, filters, limit=limit, token=token)
    return await _read_one(table, scope, filters, limit=limit, token=token)


async def _read_one(
    table: Table, scope: str, filters: ExecutionFilters, *, limit: int, token: str | None
) -> tuple[list[ExecutionSummary], str | None]:
    """A page of the narrowest list, of what the other filters hold for."""
    prefix = _narrowest_list(filters)
    above, below = key_range(prefix, filters.created_from, filters.created_to)
    last_key = key_of_token(token, prefix) if token else None
    if last_key is not None:
        above = max(above, last_key)
    others = _other_filters(filters)
    size = min((limit + 1) * (8 if others else 1), LARGEST_PAGE)

    found: list[Row] = []
    continuation = None
    for _ in range(MOST_QUERIES):
        page = await table.query(
            key_text(scope),
            above=above,
            below=below,
            limit=size,
            select=SUMMARY_COLUMNS,
            continuation=continuation,
        )
        for row in page.rows:
            if all(row.values[name] in values for name, values in others.items()):
                if len(found) == limit:
                    return [summary_of(each, scope) for each in found], token_of(found[-1].key)
                found.append(row)
            last_key = row.key
        continuation = page.continuation
        if continuation is None:
            return [summary_of(each, scope) for each in found], None
        size = LARGEST_PAGE
    return [summary_of(each, scope) for each in found], last_key and token_of(last_key)


async def _read_several(
    table: Table,
    scope: str,
    statuses: frozenset[ExecutionStatus],
    filters: ExecutionFilters,
    *,
    limit: int,
    token: str | None,
) -> tuple[list[ExecutionSummary], str | None]:
    """A page of the lists of several statuses, merged: a query for each of them."""
    prefix = status_lists(statuses)
    last_tail = key_of_token(token, prefix).removeprefix(prefix) if token else ""

    async def read(status: ExecutionStatus) -> Page:
        own, continuation = status_list(status), None
        above, below = key_range(own, filters.created_from, filters.created_to)
        while True:
            page = await table.query(
                key_text(scope),
                above=max(above, own + last_tail),
                below=below,
                limit=min(limit + 1, LARGEST_PAGE),
                select=SUMMARY_COLUMNS,
                continuation=continuation,
            )
            continuation = page.continuation
            if page.rows or continuation is None:
                return page

    # In the order of the states, so that a run which moves on meanwhile is found where it went; a retry goes back.
    moving = [status for status in ExecutionStatus if status in statuses and not status.is_end]
    if {ExecutionStatus.PENDING, ExecutionStatus.RUNNING} <= statuses:
        moving.append(ExecutionStatus.PENDING)
    pages = [await read(status) for status in moving]
    pages += await asyncio.gather(*(read(status) for status in statuses if status.is_end))

    found = {tail_in(row.key): row for page in pages for row in page.rows}
    # Behind the last row of a page that goes on, its list may have more.
    certain = min((tail_in(page.rows[-1].key) for page in pages if page.continuation), default=None)
    tails = sorted(tail for tail in found if certain is None or tail <= certain)
    summaries = [summary_of(found[tail], scope) for tail in tails[:limit]]
    is_last = certain is None and len(tails) <= limit
    return summaries, None if is_last else token_of(prefix + tails[:limit][-1])


async def read_unfinished(
    table: Table, scope: str, prefix: str, created_to: datetime | None
) -> AsyncIterator[UnfinishedExecution]:
    """The entries of one list, of what was created until a moment; a call for each 1,000 of them."""
    above, below = key_range(prefix, None, created_to)
    async for row in table.rows(key_text(scope), above=above, below=below, select=UNFINISHED_COLUMNS):
        yield unfinished_of(row)


def _narrowest_list(filters: ExecutionFilters) -> str:
    """The prefix of the list to read: of one user rather than of one workflow rather than of one status."""
    if filters.executed_by is not None:
        return user_list(filters.executed_by)
    if filters.workflow_name is not None:
        return workflow_list(filters.workflow_name)
    if filters.statuses:
        return status_lists(filters.statuses)
    return ALL


def _other_filters(filters: ExecutionFilters) -> Mapping[str, Collection[str]]:
    """The columns that must have one of some values, besides what the narrowest list holds already."""
    columns = {
        "workflowName": (listed_name(filters.workflow_name),) if filters.workflow_name is not None else (),
        "status": frozenset(map(str, filters.statuses)),
    }
    others = {name: values for name, values in columns.items() if values}
    if filters.executed_by is None and others:
        others.pop(next(iter(others)))
    return others
