"""Lists of executions, against Azurite: what they hold, what they cost, and paging while new records arrive."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.azurite import DEFAULT_ACCOUNT
from shared.errors import BadRequestError
from shared.models.executions import ExecutionStatus, ExecutionSummary
from shared.repositories.executions import lists as module
from shared.repositories.executions.lists import MOST_QUERIES
from shared.repositories.executions.record import ExecutionFilters, ExecutionRecord
from shared.repositories.executions.store import ExecutionStore
from shared.storage import Storage
from shared.storage.azure.clients import AzureStorage
from tests.support.accounts import StorageAccount
from tests.support.executions import SCOPE, history, insert_directly, new_record, success
from tests.support.large_history import azurite_with
from tests.support.proxy import StorageProxy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINGLE_FILTERS = [
    ExecutionFilters(),
    ExecutionFilters(workflow_name="workflow_3"),
    ExecutionFilters(executed_by="user-1"),
    ExecutionFilters(statuses=(ExecutionStatus.FAILED,)),
    ExecutionFilters(created_to=NOW - timedelta(seconds=30)),
    ExecutionFilters(created_from=NOW - timedelta(seconds=50)),
]


def matching(records: list[ExecutionRecord], filters: ExecutionFilters) -> list[str]:
    """The ids that a list must show, found the simple way."""
    return [
        record.execution_id
        for record in sorted(records, key=lambda record: record.execution_id, reverse=True)
        if filters.workflow_name in (None, record.workflow_name)
        and filters.executed_by in (None, record.executed_by)
        and (not filters.statuses or record.status in filters.statuses)
        and (filters.created_from is None or filters.created_from <= record.created_at)
        and (filters.created_to is None or record.created_at <= filters.created_to)
    ]


async def pages(
    executions: ExecutionStore, filters: ExecutionFilters, limit: int
) -> AsyncIterator[list[ExecutionSummary]]:
    """All pages of a list."""
    token = None
    while True:
        summaries, token = await executions.list(SCOPE, filters, limit=limit, token=token)
        yield summaries
        if token is None:
            return


async def all_ids(executions: ExecutionStore, filters: ExecutionFilters, limit: int) -> list[str]:
    return [summary.execution_id async for page in pages(executions, filters, limit) for summary in page]


@pytest.mark.parametrize("count", [100, 3_000])
async def test_the_newest_page_of_any_single_filter_is_one_small_query_whatever_the_history(
    storage: Storage, proxy: StorageProxy, proxied: Storage, count: int
) -> None:
    records = history(count, until=NOW, form_id="form-1", executed_by_name="Somebody With A Name")
    await insert_directly(storage, records)
    await assert_newest_pages_are_small(ExecutionStore(proxied), proxy, records)


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_the_newest_page_of_a_hundred_thousand_records_is_one_small_query_too(tmp_path: Path) -> None:
    records = history(100_000, until=NOW, form_id="form-1", executed_by_name="Somebody With A Name")
    async with azurite_with(tmp_path, records) as azurite:
        account = StorageAccount(DEFAULT_ACCOUNT, azurite.connection_string)
        async with StorageProxy(azurite, account) as proxy:
            storage = AzureStorage(proxy.connection_string)
            executions = ExecutionStore(storage)
            found = await executions.get(SCOPE, records[50_000].execution_id)
            assert found is not None
            assert found.created_at == records[50_000].created_at
            await assert_newest_pages_are_small(executions, proxy, records)
            await storage.close()


async def assert_newest_pages_are_small(
    executions: ExecutionStore, proxy: StorageProxy, records: list[ExecutionRecord]
) -> None:
    for filters in SINGLE_FILTERS:
        proxy.exchanges.clear()
        summaries, token = await executions.list(SCOPE, filters, limit=25)

        expected = matching(records, filters)
        assert [summary.execution_id for summary in summaries] == expected[:25]
        assert (token is None) is (len(expected) <= 25)
        (exchange,) = proxy.exchanges
        assert exchange.method == "GET"
        keys = exchange.query["$filter"].split(" and ")
        assert [key.rpartition(" ")[0] for key in keys] == ["PartitionKey eq", "RowKey gt", "RowKey lt"]
        assert keys[0] == f"PartitionKey eq '{SCOPE}'"
        assert int(exchange.query["$top"]) == 26
        assert len(exchange.answer) <= 1024 * len(json.loads(exchange.answer)["value"])


async def test_the_largest_page_is_full(storage: Storage) -> None:
    records = history(1_100, until=NOW)
    await insert_directly(storage, records)
    sizes = [len(page) async for page in pages(ExecutionStore(storage), ExecutionFilters(), 1000)]
    assert sizes == [1000, 100]


async def test_filters_together_show_exactly_what_all_of_them_hold_for(storage: Storage) -> None:
    records = history(400, until=NOW)
    await insert_directly(storage, records)
    executions = ExecutionStore(storage)
    for workflow_name, executed_by, statuses, start, end in itertools.product(
        (None, "workflow_1", "nobody's"),
        (None, "user-2"),
        ((), (ExecutionStatus.FAILED,), (ExecutionStatus.PENDING,), (ExecutionStatus.SUCCESS, ExecutionStatus.FAILED)),
        (None, NOW - timedelta(seconds=300)),
        (None, NOW - timedelta(seconds=100)),
    ):
        filters = ExecutionFilters(
            workflow_name=workflow_name,
            executed_by=executed_by,
            statuses=statuses,
            created_from=start,
            created_to=end,
        )
        assert await all_ids(executions, filters, 40) == matching(records, filters), filters


async def test_filters_together_look_at_a_bounded_number_of_records_for_one_page_and_go_on_from_there(
    storage: Storage, proxy: StorageProxy, proxied: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_PAGE", 50)
    rare = new_record(at=NOW - timedelta(days=1), workflow_name="greet", executed_by="user-9")
    await insert_directly(storage, [rare, *history(300, until=NOW, workflow_name="greet", executed_by="user-1")])
    executions = ExecutionStore(proxied)
    filters = ExecutionFilters(workflow_name="greet", statuses=(ExecutionStatus.RUNNING,))
    summaries, token = await executions.list(SCOPE, filters, limit=25)
    assert summaries == []
    assert token is not None
    assert len(proxy.exchanges) == MOST_QUERIES
    summaries, token = await executions.list(SCOPE, filters, limit=25, token=token)
    assert [summary.execution_id for summary in summaries] == [rare.execution_id]
    assert token is None


SEVERAL = (ExecutionStatus.FAILED, ExecutionStatus.SUCCESS, ExecutionStatus.TIMEOUT)


@pytest.mark.parametrize("count", [100, 3_000])
async def test_the_newest_page_of_several_statuses_is_one_small_query_for_each_whatever_the_history(
    storage: Storage, proxy: StorageProxy, proxied: Storage, count: int
) -> None:
    records = history(count, until=NOW)
    await insert_directly(storage, records)
    proxy.exchanges.clear()
    summaries, token = await ExecutionStore(proxied).list(SCOPE, ExecutionFilters(statuses=SEVERAL), limit=25)
    assert [summary.execution_id for summary in summaries] == matching(records, ExecutionFilters())[:25]
    assert token is not None
    assert [exchange.query["$top"] for exchange in proxy.exchanges] == ["26"] * len(SEVERAL)


async def test_all_statuses_together_are_the_list_of_all(storage: Storage, proxy: StorageProxy, proxied: Storage):
    await insert_directly(storage, history(20, until=NOW))
    executions = ExecutionStore(proxied)
    _, token = await executions.list(SCOPE, ExecutionFilters(), limit=5)
    proxy.exchanges.clear()
    page = await executions.list(SCOPE, ExecutionFilters(statuses=tuple(ExecutionStatus)), limit=5, token=token)
    assert page == await executions.list(SCOPE, ExecutionFilters(), limit=5, token=token)
    assert len(proxy.exchanges) == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("largest", [1000, 7])
async def test_pages_of_several_statuses_are_full_and_newest_first(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, seed: int, largest: int
) -> None:
    monkeypatch.setattr(module, "LARGEST_PAGE", largest)
    chance = random.Random(seed)
    records = [
        replace(record, status=chance.choice(list(ExecutionStatus)))
        for record in history(200, until=NOW, executed_by="u")
    ]
    await insert_directly(storage, records)
    filters = ExecutionFilters(
        statuses=chance.sample(list(ExecutionStatus), chance.randint(2, 7)),
        created_from=chance.choice([None, NOW - timedelta(seconds=150)]),
        created_to=chance.choice([None, NOW - timedelta(seconds=20)]),
    )
    limit = chance.randint(1, min(largest, 30))
    expected = matching(records, filters)
    found = [
        [summary.execution_id for summary in page] async for page in pages(ExecutionStore(storage), filters, limit)
    ]
    assert [one for page in found for one in page] == expected
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1] or not expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ExecutionStatus.PENDING, ExecutionStatus.RUNNING),
        (ExecutionStatus.RUNNING, ExecutionStatus.PENDING),
        (ExecutionStatus.PENDING, ExecutionStatus.CANCELLED),
    ],
)
async def test_a_run_that_moves_on_while_a_page_is_read_is_on_it_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, before: ExecutionStatus, after: ExecutionStatus
) -> None:
    executions = ExecutionStore(storage)
    record = await executions.create(new_record(status=before))
    query = executions._table.query

    async def query_and_move_on(*args: Any, **options: Any) -> Any:
        nonlocal record
        page = await query(*args, **options)
        if record.status is before:
            following = replace(record, status=after, end=success(status=after) if after.is_end else None)
            record = await executions.transition(record, following)
        return page

    monkeypatch.setattr(executions._table, "query", query_and_move_on)
    summaries, token = await executions.list(SCOPE, ExecutionFilters(statuses=(after, before)), limit=10)
    assert [(summary.execution_id, summary.status) for summary in summaries] == [(record.execution_id, after)]
    assert token is None


async def test_a_token_of_several_statuses_is_good_for_just_these(storage: Storage) -> None:
    await insert_directly(storage, history(40, until=NOW))
    executions = ExecutionStore(storage)
    _, token = await executions.list(SCOPE, ExecutionFilters(statuses=SEVERAL), limit=5)
    assert token is not None
    again, _ = await executions.list(SCOPE, ExecutionFilters(statuses=SEVERAL[::-1]), limit=5, token=token)
    assert len(again) == 5
    for filters in (ExecutionFilters(), ExecutionFilters(statuses=SEVERAL[:2]), ExecutionFilters(statuses=SEVERAL[:1])):
        with pytest.raises(BadRequestError, match="continuationToken"):
            await executions.list(SCOPE, filters, limit=5, token=token)


async def test_a_run_is_in_every_list_it_belongs_to_from_its_first_write_to_its_end(storage: Storage) -> None:
    executions = ExecutionStore(storage)

    async def lists_with(record: ExecutionRecord) -> set[str]:
        candidates = {
            "all": ExecutionFilters(),
            "workflow": ExecutionFilters(workflow_name=record.workflow_name),
            "user": ExecutionFilters(executed_by=record.executed_by),
            **{str(status): ExecutionFilters(statuses=(status,)) for status in ExecutionStatus},
        }
        found: set[str] = set()
        for name, filters in candidates.items():
            summaries, _ = await executions.list(SCOPE, filters, limit=10)
            for summary in summaries:
                assert summary.status is record.status
                found.add(name)
        return found

    record = await executions.create(new_record(status=ExecutionStatus.PENDING, started_at=None))
    assert await lists_with(record) == {"all", "workflow", "user", "Pending"}
    record = await executions.claim(record, started_at=NOW, lease_until=NOW)
    assert await lists_with(record) == {"all", "workflow", "user", "Running"}
    record = await executions.transition(record, replace(record, status=ExecutionStatus.CANCELLING))
    assert await lists_with(record) == {"all", "workflow", "user", "Cancelling"}
    record = await executions.finish(record, success(status=ExecutionStatus.CANCELLED))
    assert await lists_with(record) == {"all", "workflow", "user", "Cancelled"}


async def test_a_summary_says_what_the_record_says(storage: Storage) -> None:
    executions = ExecutionStore(storage)
    end = success(status=ExecutionStatus.FAILED, error_message="It broke", error_type="ValueError", result=None)
    record = await executions.finish(await executions.create(new_record(form_id="form-1", attempt=2)), end)
    for filters in (ExecutionFilters(), ExecutionFilters(statuses=(ExecutionStatus.FAILED,))):
        (summary,), _ = await executions.list(SCOPE, filters, limit=10)
        assert summary == ExecutionSummary(
            execution_id=record.execution_id,
            workflow_name="greet",
            org_id=SCOPE,
            form_id="form-1",
            executed_by="user-1",
            executed_by_name="User One",
            status=ExecutionStatus.FAILED,
            error="It broke",
            error_type="ValueError",
            result_type="json",
            duration_ms=12.5,
            started_at=record.started_at,
            completed_at=end.completed_at,
            attempt=2,
        )


async def test_an_empty_list_is_an_empty_page(storage: Storage) -> None:
    assert await ExecutionStore(storage).list(SCOPE, ExecutionFilters(), limit=25) == ([], None)


@pytest.mark.parametrize("text", ["' or PartitionKey ne '", "workflow_1' or '1' eq '1", "w:", "ü/\\#?\x00", "\ud800"])
async def test_no_filter_value_shows_what_is_not_its_own(storage: Storage, text: str) -> None:
    await insert_directly(storage, history(20, until=NOW))
    executions = ExecutionStore(storage)
    for filters in (
        ExecutionFilters(workflow_name=text),
        ExecutionFilters(executed_by=text),
        ExecutionFilters(executed_by="user-1", workflow_name=text),
    ):
        assert await executions.list(SCOPE, filters, limit=10) == ([], None)
    own = await executions.create(new_record(workflow_name=text, executed_by=text))
    assert await all_ids(executions, ExecutionFilters(executed_by=text), 10) == [own.execution_id]
    assert await all_ids(executions, ExecutionFilters(workflow_name=text), 10) == [own.execution_id]


@pytest.mark.parametrize("name", ["月" * 80, '"' * 80, "x" * 80, "é" * 42])
async def test_filters_together_find_the_longest_names_of_any_alphabet(storage: Storage, name: str) -> None:
    executions = ExecutionStore(storage)
    own = await executions.create(new_record(workflow_name=name))
    await executions.create(new_record())
    filters = ExecutionFilters(workflow_name=name, executed_by="user-1", statuses=(ExecutionStatus.RUNNING,))
    assert await all_ids(executions, filters, 10) == [own.execution_id]


async def test_a_status_that_is_asked_for_twice_is_one(storage: Storage) -> None:
    records = history(20, until=NOW)
    await insert_directly(storage, records)
    twice = ExecutionFilters(statuses=[ExecutionStatus.FAILED, ExecutionStatus.FAILED])
    assert await all_ids(ExecutionStore(storage), twice, 2) == matching(records, twice)


async def test_a_token_is_good_for_its_own_list_and_in_another_scope_shows_only_that_scope(storage: Storage) -> None:
    await insert_directly(storage, history(20, until=NOW))
    executions = ExecutionStore(storage)
    _, token = await executions.list(SCOPE, ExecutionFilters(), limit=5)
    assert token is not None
    elsewhere = await executions.create(new_record(scope="other", at=NOW - timedelta(days=1)))
    summaries, _ = await executions.list("other", ExecutionFilters(), limit=25, token=token)
    assert [summary.execution_id for summary in summaries] == [elsewhere.execution_id]
    for filters in (ExecutionFilters(workflow_name="workflow_1"), ExecutionFilters(statuses=(ExecutionStatus.FAILED,))):
        with pytest.raises(BadRequestError, match="continuationToken"):
            await executions.list(SCOPE, filters, limit=5, token=token)


@pytest.mark.parametrize("seed", range(3))
async def test_paging_shows_each_record_once_while_new_ones_arrive_and_others_end(storage: Storage, seed: int) -> None:
    chance = random.Random(seed)
    executions = ExecutionStore(storage)
    before = [await executions.create(new_record()) for _ in range(40)]
    filters = chance.choice([ExecutionFilters(), ExecutionFilters(workflow_name="greet")])

    async def arrive() -> None:
        for record in chance.sample(before, 20):
            await executions.create(new_record())
            await executions.finish(record, success())

    arriving = asyncio.create_task(arrive())
    shown: list[str] = []
    async for page in pages(executions, filters, chance.randint(1, 7)):
        shown += [summary.execution_id for summary in page]
    await arriving
    assert len(set(shown)) == len(shown)
    assert shown == sorted(shown, reverse=True)
    assert {record.execution_id for record in before} <= set(shown)
