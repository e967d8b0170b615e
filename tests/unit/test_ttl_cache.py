"""Values cached for a while: read once however many ask, never past an `invalidate`, stale only in need."""

from __future__ import annotations

import asyncio
import gc

import pytest

from shared.errors import StorageUnavailableError
from shared.ttl_cache import TtlCache


class Store:
    """Stands for storage, whose delays and failures a test must decide; counts how often it is read."""

    def __init__(self) -> None:
        self.value = 1
        self.reads = 0
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, _: str) -> int:
        self.reads += 1
        value = self.value
        await self.gate.wait()
        if self.is_away:
            raise StorageUnavailableError
        return value


async def test_however_many_ask_at_once_it_is_read_once():
    store = Store()
    cache = TtlCache(store.read, ttl_seconds=60)
    assert await asyncio.gather(*(cache.get("a") for _ in range(50))) == [1] * 50
    assert store.reads == 1


async def test_who_goes_away_does_not_end_the_read_of_the_others():
    store = Store()
    store.gate.clear()
    cache = TtlCache(store.read, ttl_seconds=60)
    first, second = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    store.gate.set()
    assert await second == 1


async def test_what_was_read_before_a_change_is_not_kept_after_it():
    store = Store()
    store.gate.clear()
    cache = TtlCache(store.read, ttl_seconds=60)
    early = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0.01)
    store.value = 2
    cache.invalidate()
    late = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0.01)
    store.gate.set()
    assert (await early, await late) == (1, 2)
    assert await cache.get("a") == 2


async def test_it_is_read_again_when_it_is_too_old():
    store = Store()
    cache = TtlCache(store.read, ttl_seconds=0)
    await cache.get("a")
    store.value = 2
    assert await cache.get("a") == 2


@pytest.mark.parametrize("stale_seconds", [0.0, 60.0])
async def test_what_is_too_old_serves_only_while_storage_is_away_and_only_where_it_may(stale_seconds: float):
    store = Store()
    cache = TtlCache(store.read, ttl_seconds=0, stale_seconds=stale_seconds)
    await cache.get("a")
    store.is_away = True
    if stale_seconds:
        assert await cache.get("a") == 1
    else:
        with pytest.raises(StorageUnavailableError):
            await cache.get("a")
    with pytest.raises(StorageUnavailableError):
        await cache.get("b")


async def test_only_so_many_are_kept():
    store = Store()
    cache = TtlCache(store.read, ttl_seconds=60, max_entries=2)
    for key in ("a", "b", "c", "b", "a"):
        await cache.get(key)
    assert store.reads == 4


async def test_a_read_that_fails_after_all_have_gone_away_is_no_unheard_error(caplog: pytest.LogCaptureFixture):
    store = Store()
    store.gate.clear()
    store.is_away = True
    cache = TtlCache(store.read, ttl_seconds=60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await cache.get("a")
    store.gate.set()
    await asyncio.sleep(0.01)
    gc.collect()
    assert caplog.text == ""
