"""Storage that is out of reach, comes back, loses answers, or is asked from the wrong place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dev.azurite import Azurite
from shared.errors import StorageUnavailableError
from shared.handlers.services import close_services, get_services
from shared.storage import AlreadyExistsError, Storage, count_storage_calls
from shared.storage.azure.clients import AzureStorage
from tests.support.accounts import StorageAccount
from tests.support.proxy import StorageProxy


async def test_without_storage_every_call_fails_soon_and_with_it_again_works(tmp_path: Path) -> None:
    with Azurite(tmp_path) as azurite:
        storage = AzureStorage(azurite.connection_string)
        await storage.table("Rows").insert("p", "before", {})
        assert storage.is_available
        azurite.kill()

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: storage.table("Rows").get("p", "before"),
            lambda: storage.table("Rows").insert("p", "k", {}),
            lambda: storage.table("Rows").query("p", above="a", below="z", limit=1),
            lambda: storage.queue("jobs").send("text"),
            lambda: storage.blobs("files").put("name", b"content"),
        ]
        for call in calls:
            started = time.monotonic()
            with pytest.raises(StorageUnavailableError):
                await call()
            assert time.monotonic() - started < 3
            assert not storage.is_available
        assert not await storage.check()

        azurite.start()
        assert await storage.check()
        assert storage.is_available
        for call in calls:
            await call()
        await storage.close()


async def test_a_storage_that_accepts_and_never_answers_is_given_up_by_the_check_within_two_seconds() -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    endpoint = f"TableEndpoint=http://127.0.0.1:{port}/name"
    storage = AzureStorage(f"DefaultEndpointsProtocol=http;AccountName=name;AccountKey=a2V5;{endpoint};")
    started = time.monotonic()
    assert not await storage.check()
    assert 1.5 < time.monotonic() - started < 3
    await storage.close()
    for writer in held:
        writer.close()
    silent.close()


async def test_an_answer_that_says_no_means_that_storage_is_there(storage: Storage) -> None:
    await storage.table("Rows").insert("p", "k", {})
    with pytest.raises(AlreadyExistsError):
        await storage.table("Rows").insert("p", "k", {})
    assert storage.is_available


async def test_a_wrong_key_is_said_without_showing_it(storage_account: StorageAccount) -> None:
    key = storage_account.connection_string.partition("AccountKey=")[2].partition(";")[0]
    storage = AzureStorage(storage_account.connection_string.replace(key, "d3Jvbmc="))
    with pytest.raises(StorageUnavailableError, match="refuses this app's credentials") as caught:
        await storage.table("Rows").get("p", "k")
    assert caught.value.__cause__ is None
    assert not await storage.check()
    await storage.close()


async def test_a_call_whose_answer_was_lost_is_made_again_and_counted_twice(
    proxy: StorageProxy, proxied: Storage
) -> None:
    await proxied.table("Rows").insert("p", "1", {})
    proxy.lose_an_answer()
    # The second of the two requests finds the row of the first: this is what a caller must be ready for.
    with count_storage_calls() as calls, pytest.raises(AlreadyExistsError):
        await proxied.table("Rows").insert("p", "2", {})
    assert calls.tables == 2

    await proxied.queue("jobs").send("one")
    proxy.lose_an_answer()
    with count_storage_calls() as calls:
        await proxied.queue("jobs").send("two")
    assert calls.queues == 2
    assert await proxied.queue("jobs").length() == 3


async def test_a_client_of_another_loop_is_refused_with_a_reason(storage: Storage) -> None:
    await storage.table("Rows").get("p", "k")

    def elsewhere() -> None:
        asyncio.run(storage.table("Rows").get("p", "k"))  # type: ignore[arg-type]

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(elsewhere)


def test_a_closed_storage_can_be_used_from_a_new_loop(storage_account: StorageAccount) -> None:
    storage = AzureStorage(storage_account.connection_string)

    async def use() -> None:
        await storage.table("Rows").get("p", "k")
        await storage.close()

    asyncio.run(use())
    asyncio.run(use())


async def test_the_process_has_one_storage_until_it_is_closed(
    storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.settings import environment as settings

    monkeypatch.setenv("AzureWebJobsStorage", storage_account.connection_string)
    settings.get_settings.cache_clear()
    try:
        first = get_services().storage
        assert get_services().storage is first
        assert await first.check()
        await close_services()
        assert get_services().storage is not first
        await close_services()
        await close_services()
    finally:
        settings.get_settings.cache_clear()
