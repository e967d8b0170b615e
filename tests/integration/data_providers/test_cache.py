"""The cache of data providers' answers. Two caches on one storage account stand for two processes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from shared.data_providers import shared_cache as cache_table
from shared.data_providers.cache import ProviderCache
from shared.data_providers.cache_key import CacheKey
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.repositories.provider_answers import CONTAINER, TABLE, ProviderAnswerRepository
from shared.storage import Storage, Upsert, count_storage_calls
from shared.storage.azure.clients import AzureStorage
from tests.support.proxy import StorageProxy

TTL = 100.0
KEY = CacheKey("a" * 64, "GLOBAL", "cities", "v1", "module.cities, line 1", TTL, is_personal=False)
PERSONAL = replace(KEY, digest="b" * 64, is_personal=True)


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """Runs that a test looks into: how many there were, and what the next ones bring."""

    def __init__(self, *values: Any) -> None:
        self.runs = 0
        self.options = [{"label": str(value), "value": value, "metadata": None} for value in values]
        self.fails = False
        self.reads_caller = False
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> ExecutionResult:
        self.runs += 1
        options = self.options
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            return ExecutionResult(execution_id="run", status=ExecutionStatus.FAILED, error_message="broken")
        return ExecutionResult(
            execution_id="run",
            status=ExecutionStatus.SUCCESS,
            result=options,
            caller_was_read=self.reads_caller,
        )

    def now_gives(self, *values: Any) -> None:
        self.options = Provider(*values).options


def values(result: ExecutionResult) -> list[Any]:
    return [option["value"] for option in result.result]


def seen(result: ExecutionResult) -> tuple[list[Any], bool, bool]:
    return values(result), result.cached, result.stale


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def process(storage: Storage, clock: Clock) -> Callable[[], ProviderCache]:
    """Makes caches that share one storage account, whose first call, with all its imports, has been made."""
    await storage.table(TABLE).get("-", "-")
    return lambda: ProviderCache(ProviderAnswerRepository(storage), clock)


@pytest.fixture
def cache(process: Callable[[], ProviderCache]) -> ProviderCache:
    return process()


async def test_an_answer_is_given_again_until_its_time_is_over(cache: ProviderCache, clock: Clock):
    provider = Provider("a")
    first = await cache.get(KEY, provider)
    assert (seen(first), first.cache_expires_at) == ((["a"], False, False), "2027-01-15T08:01:40+00:00")
    provider.now_gives("b")
    clock.now += TTL - 0.001
    again = await cache.get(KEY, provider)
    assert (seen(again), again.cache_expires_at) == ((["a"], True, False), first.cache_expires_at)
    clock.now += 0.001
    assert seen(await cache.get(KEY, provider)) == (["b"], False, False)
    assert provider.runs == 2


@pytest.mark.parametrize("options", [[], [0], [""], [False], [None]])
async def test_empty_lists_and_falsy_values_are_kept_like_others(
    process: Callable[[], ProviderCache], options: list[Any]
):
    provider = Provider(*options)
    here, there = process(), process()
    await here.get(KEY, provider)
    assert seen(await here.get(KEY, provider)) == (options, True, False)
    assert seen(await there.get(KEY, provider)) == (options, True, False)
    assert provider.runs == 1


async def test_memory_costs_no_storage_call_the_table_one_and_a_miss_two(process: Callable[[], ProviderCache]):
    provider = Provider("a")
    here, there = process(), process()
    await here.get(replace(KEY, digest="c" * 64), provider)  # creates the table
    with count_storage_calls() as calls:
        await here.get(KEY, provider)
    assert calls.total == 2
    with count_storage_calls() as calls:
        await here.get(KEY, provider)
    assert calls.total == 0
    with count_storage_calls() as calls:
        assert (await there.get(KEY, provider)).cached
    assert (calls.tables, calls.total) == (1, 1)
    with count_storage_calls() as calls:
        assert (await there.get(KEY, provider)).cached
    assert calls.total == 0


async def test_a_thousand_who_ask_at_once_get_one_run(cache: ProviderCache):
    provider = Provider("a")
    provider.gate = asyncio.Event()
    asking = [asyncio.create_task(cache.get(KEY, provider)) for _ in range(1000)]
    while not provider.runs:
        await asyncio.sleep(0)
    provider.gate.set()
    assert {str(seen(result)) for result in await asyncio.gather(*asking)} == {"(['a'], False, False)"}
    assert provider.runs == 1


async def test_who_goes_takes_nothing_from_those_who_stay(cache: ProviderCache):
    provider = Provider("a")
    provider.gate = asyncio.Event()
    asking = [asyncio.create_task(cache.get(KEY, provider)) for _ in range(3)]
    while not provider.runs:
        await asyncio.sleep(0)
    asking[0].cancel()
    asking[1].cancel()
    provider.gate.set()
    assert seen(await asking[2]) == (["a"], False, False)
    assert [task.cancelled() for task in asking] == [True, True, False]
    assert provider.runs == 1


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(cache: ProviderCache, storage: Storage):
    provider = Provider("a")
    provider.fails = True
    provider.gate = asyncio.Event()
    asking = [asyncio.create_task(cache.get(KEY, provider)) for _ in range(3)]
    while not provider.runs:
        await asyncio.sleep(0)
    provider.gate.set()
    assert {result.error_message for result in await asyncio.gather(*asking)} == {"broken"}
    assert provider.runs == 1
    provider.fails = False
    assert seen(await cache.get(KEY, provider)) == (["a"], False, False)


async def test_no_cache_runs_though_an_answer_is_there_and_refreshes_it_for_all(process: Callable[[], ProviderCache]):
    provider = Provider("a")
    here, there = process(), process()
    await here.get(KEY, provider)
    provider.now_gives("b")
    assert seen(await here.get(KEY, provider, no_cache=True)) == (["b"], False, False)
    assert seen(await here.get(KEY, provider)) == (["b"], True, False)
    assert seen(await there.get(KEY, provider)) == (["b"], True, False)
    provider.fails = True
    failed = await here.get(KEY, provider, no_cache=True)
    assert (failed.status, failed.error_message) == ("Failed", "broken")


async def test_an_older_answer_never_takes_the_place_of_a_newer_one(process: Callable[[], ProviderCache]):
    here, there = process(), process()
    slow, quick = Provider("old"), Provider("new")
    slow.gate = asyncio.Event()
    asking = asyncio.create_task(here.get(KEY, slow))
    while not slow.runs:
        await asyncio.sleep(0.001)
    await here.get(KEY, quick, no_cache=True)
    slow.gate.set()
    assert seen(await asking) == (["old"], False, False)
    assert seen(await here.get(KEY, quick)) == (["new"], True, False)
    assert seen(await there.get(KEY, quick)) == (["new"], True, False)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["from memory", "from the table"])
async def test_when_a_provider_fails_its_last_answer_is_given_for_one_more_ttl(
    process: Callable[[], ProviderCache], clock: Clock, elsewhere: bool
):
    provider = Provider("a")
    here = process()
    first = await here.get(KEY, provider)
    asked = process() if elsewhere else here
    provider.fails = True
    clock.now += TTL
    stale = await asked.get(KEY, provider)
    assert (seen(stale), stale.cache_expires_at) == ((["a"], True, True), first.cache_expires_at)
    clock.now += TTL - 0.001
    assert seen(await asked.get(KEY, provider)) == (["a"], True, True)
    clock.now += 0.001
    assert (await asked.get(KEY, provider)).status == "Failed"
    assert provider.runs == 4
    provider.fails = False
    assert seen(await asked.get(KEY, provider)) == (["a"], False, False)


async def test_a_provider_that_reads_who_is_calling_is_not_kept_and_its_author_told(
    process: Callable[[], ProviderCache], caplog: pytest.LogCaptureFixture
):
    mine, yours = Provider("mine"), Provider("yours")
    mine.reads_caller = yours.reads_caller = True
    mine.gate = asyncio.Event()
    cache = process()
    with caplog.at_level(logging.WARNING, "shared.data_providers.cache"):
        first = asyncio.create_task(cache.get(KEY, mine))
        while not mine.runs:
            await asyncio.sleep(0)
        joined = asyncio.create_task(cache.get(KEY, yours))
        await asyncio.sleep(0)
        mine.gate.set()
        # Who joined gets an answer of their own.
        assert (seen(await first), seen(await joined)) == ((["mine"], False, False), (["yours"], False, False))
        result = await cache.get(KEY, yours)
    assert (seen(result), result.cache_expires_at) == ((["yours"], False, False), None)
    assert seen(await process().get(KEY, yours)) == (["yours"], False, False)
    # Once by each of the two processes.
    assert len(caplog.records) == 2
    message = (
        'cities reads who is calling, so its answers are not cached; declare it with cache_per="user": module.cities'
    )
    assert message in caplog.text


async def test_a_personal_provider_may_read_who_is_calling(cache: ProviderCache):
    provider = Provider("a")
    provider.reads_caller = True
    await cache.get(PERSONAL, provider)
    assert seen(await cache.get(PERSONAL, provider)) == (["a"], True, False)


async def test_each_process_runs_a_provider_once_however_many_ask_at_the_same_time(
    process: Callable[[], ProviderCache],
):
    provider = Provider("a")
    provider.gate = asyncio.Event()
    here, there = process(), process()
    asking = [asyncio.create_task(cache.get(KEY, provider)) for cache in (here, there) for _ in range(10)]
    while provider.runs < 2:
        await asyncio.sleep(0.001)
    provider.gate.set()
    results = await asyncio.gather(*asking)
    assert {str(values(result)) for result in results} == {"['a']"}
    assert provider.runs == 2


async def test_a_row_that_only_says_that_somebody_looks_for_an_answer_holds_nobody_up(
    process: Callable[[], ProviderCache], clock: Clock, storage: Storage
):
    # As the release before this one wrote it.
    row = {"claimedUntil": clock.now + 5, "keepUntil": clock.now + 5}
    await storage.table(TABLE).transaction("a", [Upsert(KEY.digest, row)])
    assert seen(await process().get(KEY, Provider("a"))) == (["a"], False, False)
    assert seen(await process().get(KEY, Provider("b"))) == (["a"], True, False)


async def test_a_failed_run_leaves_nothing_behind(process: Callable[[], ProviderCache]):
    provider = Provider("a")
    await process().get(replace(KEY, digest="c" * 64), provider)  # creates the table
    provider.fails = True
    assert (await process().get(KEY, provider)).status == "Failed"
    provider.fails = False
    with count_storage_calls() as calls:
        assert seen(await process().get(KEY, provider)) == (["a"], False, False)
    assert calls.total == 2


async def test_five_mebibytes_of_options_come_back_from_a_blob_as_they_were(
    process: Callable[[], ProviderCache], storage: Storage, clock: Clock
):
    source = random.Random(1)
    provider = Provider(*(source.randbytes(32).hex() for _ in range(32_000)))
    here, there = process(), process()
    first = await here.get(KEY, provider)
    assert len(str(first.result)) > 5 * 2**20
    with count_storage_calls() as calls:
        again = await there.get(KEY, provider)
    assert (again.result, again.cached) == (first.result, True)
    assert (calls.tables, calls.blobs) == (1, 1)
    with count_storage_calls() as calls:
        assert (await there.get(KEY, provider)).cached
    assert calls.total == 0
    # A short answer leaves no blob behind.
    provider.now_gives("short")
    await here.get(KEY, provider, no_cache=True)
    assert await storage.blobs(CONTAINER).get(f"a/{KEY.digest}") is None
    assert seen(await process().get(KEY, provider)) == (["short"], True, False)


@pytest.mark.parametrize("content", [{"options": b"no zlib"}, {"blob": "a/gone"}, {}])
async def test_a_row_that_can_not_be_read_is_as_good_as_none(
    cache: ProviderCache, storage: Storage, clock: Clock, content: dict[str, Any]
):
    row = {"expiresAt": clock.now + TTL, "keepUntil": clock.now + TTL, **content}
    await storage.table(TABLE).transaction("a", [Upsert(KEY.digest, row)])
    provider = Provider("a")
    assert seen(await cache.get(KEY, provider)) == (["a"], False, False)
    assert seen(await cache.get(KEY, provider)) == (["a"], True, False)


async def test_with_storage_away_providers_answer_and_the_table_is_left_alone_for_a_while(
    proxy: StorageProxy, proxied: Storage, clock: Clock, caplog: pytest.LogCaptureFixture
):
    cache = ProviderCache(ProviderAnswerRepository(proxied), clock)
    proxy.refuse(lambda _: True)
    provider = Provider("a")
    with caplog.at_level(logging.WARNING, "shared.data_providers.shared_cache"):
        assert seen(await cache.get(KEY, provider)) == (["a"], False, False)
        with count_storage_calls() as calls:
            other = replace(KEY, digest="d" * 64)
            assert seen(await cache.get(other, provider)) == (["a"], False, False)
    assert calls.total == 0
    assert len(caplog.records) == 1
    provider.fails = True
    assert (await cache.get(replace(KEY, digest="e" * 64), provider)).error_message == "broken"


async def test_storage_that_never_answers_holds_nobody_up_for_long(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache_table, "ROW_LIMIT_SECONDS", 0.2)
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    endpoint = f"TableEndpoint=http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/name"
    storage = AzureStorage(f"DefaultEndpointsProtocol=http;AccountName=name;AccountKey=a2V5;{endpoint};")
    cache = ProviderCache(ProviderAnswerRepository(storage), clock)
    provider = Provider("a")
    async with asyncio.timeout(5):
        assert seen(await cache.get(KEY, provider)) == (["a"], False, False)
    async with asyncio.timeout(0.2):
        assert seen(await cache.get(replace(KEY, digest="d" * 64), provider)) == (["a"], False, False)
    await storage.close()
    for writer in held:
        writer.close()
    silent.close()


async def test_an_app_without_storage_has_its_memory(clock: Clock):
    cache = ProviderCache(None, clock)
    provider = Provider("a")
    await cache.get(KEY, provider)
    assert seen(await cache.get(KEY, provider)) == (["a"], True, False)


async def test_what_is_of_no_use_any_more_is_removed_with_its_blob(
    process: Callable[[], ProviderCache], storage: Storage, clock: Clock
):
    answers = ProviderAnswerRepository(storage)
    large = Provider(*(random.Random(2).randbytes(32).hex() for _ in range(3_000)))
    cache = process()
    for digit in "0123456789abcdef":
        await cache.get(replace(KEY, digest=digit * 64), large if digit in "af" else Provider(digit))
    clock.now += TTL
    await cache.get(replace(KEY, digest="1" * 64), Provider("newer"))
    clock.now += TTL - 1
    assert await answers.remove_old(clock.now) == 0
    clock.now += 1
    assert await answers.remove_old(clock.now) == 15
    assert await answers.find("a" * 64) is None
    assert await storage.blobs(CONTAINER).get("a/" + "a" * 64) is None
    assert await answers.find("1" * 64) is not None
    assert await answers.remove_old(clock.now) == 0
