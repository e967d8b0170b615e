"""Reading the lists of executions, see `keys`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING

from shared.models.executions import ExecutionSummary
from shared.repositories.executions.keys import (
    ALL,
    key_of_token,
    key_range,
    status_list,
    token_of,
    user_list,
    workflow_list,
)
from shared.repositories.executions.record import ExecutionFilters
from shared.repositories.executions.rows import (
    SUMMARY_COLUMNS,
    UNFINISHED_COLUMNS,
    UnfinishedExecution,
    summary_of,
    unfinished_of,
)
from shared.storage.interface import LARGEST_PAGE
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Row, Table

# With several filters, one page looks at no more than about 4,000 records.
MOST_QUERIES = 5


async def read_page(
    table: Table, scope: str, filters: ExecutionFilters, *, limit: int, token: str | None
) -> tuple[list[ExecutionSummary], str | None]:
    """One page of summaries and the token of the next; see `ExecutionStore.list`."""
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
    if filters.status is not None:
        return status_list(filters.status)
    return ALL


def _other_filters(filters: ExecutionFilters) -> dict[str, str]:
    """The columns that must have a value besides what the narrowest list holds already."""
    columns = {"workflowName": filters.workflow_name, "status": filters.status}
    others = {name: str(value) for name, value in columns.items() if value is not None}
    if filters.executed_by is None and others:
        others.pop(next(iter(others)))
    return others
