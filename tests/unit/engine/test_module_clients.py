"""What a file keeps at module level, clients, sessions, locks and queues, works in all its runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from tests.unit.conftest import Execute


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="pong")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def use_beside_a_block(run_function: Execute, use: Any) -> None:
    """Uses it, blocks the file's loop by another run, uses it meanwhile and afterwards."""

    async def blocks() -> None:
        time.sleep(0.6)

    blocks.__module__ = use.__module__
    assert (await run_function(use)).result == "pong"
    blocking = asyncio.create_task(run_function(blocks))
    await asyncio.sleep(0.1)
    beside = await asyncio.gather(*(run_function(use) for _ in range(5)))
    assert [(result.status, result.result) for result in beside] == [("Success", "pong")] * 5
    await blocking
    assert (await run_function(use)).result == "pong"


async def test_an_httpx_client_of_a_file_works_beside_a_run_that_blocks(run_function: Execute, url: str):
    client = httpx.AsyncClient(trust_env=False)

    async def ping() -> str:
        return (await client.get(url)).text

    async def close() -> None:
        await client.aclose()

    await use_beside_a_block(run_function, ping)
    await run_function(close)


async def test_an_aiohttp_session_of_a_file_works_beside_a_run_that_blocks(run_function: Execute, url: str):
    kept: list[aiohttp.ClientSession] = []

    async def ping() -> str:
        if not kept:
            kept.append(aiohttp.ClientSession())
        async with kept[0].get(url) as response:
            return await response.text()

    async def close() -> None:
        await kept[0].close()

    await use_beside_a_block(run_function, ping)
    await run_function(close)


async def test_locks_queues_and_events_of_a_file_work_beside_a_run_that_blocks(run_function: Execute):
    lock, queue, event = asyncio.Lock(), asyncio.Queue[str](), asyncio.Event()

    async def ping() -> str:
        async with lock:
            asyncio.get_running_loop().call_later(0.01, event.set)
            await event.wait()
            event.clear()
            queue.put_nowait("pong")
            return await queue.get()

    await use_beside_a_block(run_function, ping)
