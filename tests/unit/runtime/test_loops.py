"""Loops for `async def` functions: what a file keeps at module level works in all its runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shared.runtime import loops
from shared.runtime.calls import Outcome
from shared.runtime.loops import LoopPool, TaskCall


def void(_: object) -> None: ...


def call(pool: LoopPool, function: Callable[[], Coroutine[Any, Any, Any]], home: str = "a") -> asyncio.Future[Outcome]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Outcome] = loop.create_future()
    task = TaskCall(function, contextvars.copy_context(), pool, home, void)
    task.start(lambda outcome: void(loop.call_soon_threadsafe(ended.set_result, outcome)))
    return ended


async def own_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def loop_of(pool: LoopPool, home: str) -> asyncio.AbstractEventLoop:
    return (await call(pool, own_loop, home)).value


async def test_a_file_keeps_its_loop_and_more_files_than_loops_share_them():
    pool = LoopPool(2)
    found = [await loop_of(pool, home) for home in ("a", "b", "c", "a", "d", "b", "c")]
    a, b, c, again, d, *rest = found
    assert a is again
    assert len({a, b}) == 2
    assert {c, d} == {a, b}
    assert rest == [b, c]
    assert pool.loops == 2


async def test_a_lock_that_a_file_keeps_works_while_another_of_its_runs_blocks_the_loop():
    pool = LoopPool(4)
    lock, release = asyncio.Lock(), threading.Event()
    held = threading.Event()

    async def holds() -> None:
        async with lock:
            held.set()
            await asyncio.sleep(0.01)

    async def blocks() -> None:
        release.wait(10)

    async def waits() -> str:
        async with lock:
            return "mine"

    holder = call(pool, holds)
    assert await asyncio.to_thread(held.wait, 5)
    blocker = call(pool, blocks)
    waiters = [call(pool, waits) for _ in range(3)]
    async with asyncio.timeout(10):
        while not pool.blocked:
            await asyncio.sleep(0.02)
    assert pool.waiting == 3
    release.set()
    await asyncio.gather(holder, blocker)
    assert [outcome.value for outcome in await asyncio.gather(*waiters)] == ["mine"] * 3
    assert (pool.waiting, pool.loops) == (0, 1)


async def test_a_loop_that_something_else_than_a_run_blocks_for_good_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(loops, "_CHECKS_TO_GIVE_UP", 10)
    pool, release = LoopPool(1), threading.Event()

    def blocks() -> None:
        release.wait(10)

    async def leaves_a_callback() -> None:
        asyncio.get_running_loop().call_later(0.01, blocks)

    await call(pool, leaves_a_callback)
    thread = pool._loops[0]  # pyright: ignore[reportPrivateUsage]
    first = thread.loop
    await asyncio.sleep(0.05)
    started = time.monotonic()
    assert (await call(pool, own_loop)).value is not first
    assert time.monotonic() - started < 5
    assert "blocked at test_loops.py:" in caplog.text
    assert "that a made on it are of no use to later runs" in caplog.text
    release.set()
    # It has nothing to do any more.
    async with asyncio.timeout(5):
        while not first.is_closed():
            await asyncio.sleep(0.01)
