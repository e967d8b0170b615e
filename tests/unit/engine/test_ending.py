"""User code can't stop the house: however it ends, the caller gets a clear result, and the next run runs."""

from __future__ import annotations

import asyncio
import contextlib
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.context import ExecutionContext
from shared.runtime import watch as running
from shared.runtime.calls import StopSignal
from shared.runtime.watch import pool_figures
from tests.unit.conftest import Execute, messages

SHORT = 0.2


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that does not stop is given up after half a second and not after five, and made to after a fifth."""
    monkeypatch.setattr(running, "FORCE_SECONDS", 0.1)
    monkeypatch.setattr(running, "GRACE_SECONDS", 0.5)


async def next_run_is_fine(run_function: Execute, run_script: Execute) -> None:
    async def asynchronous() -> str:
        await asyncio.sleep(0)
        return "fine"

    assert (await run_function(asynchronous)).result == "fine"
    assert (await run_function(lambda: "fine")).result == "fine"
    assert (await run_script("x = 'fine'")).variables == {"x": "fine"}


async def until_abandoned_are(count: int) -> None:
    async with asyncio.timeout(10):
        while pool_figures()["abandoned"] != count:
            await asyncio.sleep(0.02)


def endless() -> None:
    print("so far")
    while True:
        pass


def sleeper() -> None:
    print("so far")
    for _ in range(1000):
        time.sleep(0.01)


async def waits() -> None:
    print("so far")
    await asyncio.sleep(60)


async def blocks() -> None:
    print("so far")
    while True:
        pass


def own_loop() -> Any:
    return waits()


@pytest.mark.parametrize("function", [endless, sleeper, waits, blocks, own_loop])
async def test_the_time_limit_holds_for_every_kind_of_function(
    run_function: Execute, run_script: Execute, function: Callable[..., Any]
):
    before = pool_figures()["abandoned"]
    started = time.monotonic()
    result = await run_function(function, timeout=SHORT)
    assert time.monotonic() - started < 3
    assert (result.status, result.error_type) == ("Timeout", "Timeout")
    assert result.error_message == "f was stopped after 0.2 s, its time limit"
    assert messages(result)[0] == "so far"
    assert result.error_details is not None
    assert result.error_details["where"].startswith("test_ending.py:")
    assert "abandoned" not in result.error_details
    assert pool_figures()["abandoned"] == before
    await next_run_is_fine(run_function, run_script)


@pytest.mark.parametrize(
    "source",
    ["x = 1\nwhile True:\n    pass", "x = 1\nimport asyncio\nawait asyncio.sleep(60)", "x = 1\nawait spin()"],
)
async def test_the_time_limit_holds_for_scripts(run_function: Execute, run_script: Execute, source: str):
    if "spin" in source:
        source = "async def spin():\n    while True:\n        pass\n" + source
    result = await run_script(source, timeout=SHORT)
    assert result.status == "Timeout"
    assert "<script" in (result.error_details or {})["where"]
    await next_run_is_fine(run_function, run_script)


@pytest.mark.skipif(
    sys.version_info < (3, 12) and sys.gettrace() is not None,
    reason="under a tracer, CPython 3.11 spins in every thread while an exception waits for one that is inside C code",
)
async def test_a_thread_inside_c_code_is_given_up_counted_and_forgotten_when_it_ends(
    run_function: Execute, run_script: Execute, short_grace: None
):
    release = threading.Event()

    def in_c_code() -> None:
        # A wait inside C code sees no Python exception until it is over.
        while not release.is_set():
            select.select([], [], [], 2)

    before = pool_figures()["abandoned"]
    result = await run_function(in_c_code, timeout=SHORT)
    assert result.status == "Timeout"
    assert result.error_details is not None
    assert result.error_details["abandoned"] is True
    assert " in in_c_code" in result.error_details["where"]
    assert pool_figures()["abandoned"] == before + 1
    await next_run_is_fine(run_function, run_script)
    release.set()
    await until_abandoned_are(before)


async def test_a_thread_that_swallows_what_asks_it_to_stop_is_given_up(
    run_function: Execute, run_script: Execute, short_grace: None
):
    release = threading.Event()

    def stubborn() -> None:
        while not release.is_set():
            try:
                time.sleep(0.01)
            except BaseException:
                print("not yet")

    before = pool_figures()["abandoned"]
    result = await run_function(stubborn, timeout=SHORT)
    assert (result.status, (result.error_details or {})["abandoned"]) == ("Timeout", True)
    assert "not yet" in messages(result)
    assert pool_figures()["abandoned"] == before + 1
    await next_run_is_fine(run_function, run_script)
    release.set()
    await until_abandoned_are(before)


async def test_a_coroutine_that_swallows_its_cancellation_is_given_up(
    run_function: Execute, run_script: Execute, short_grace: None
):
    release = threading.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                print("not yet")

    before = pool_figures()["abandoned"]
    result = await run_function(stubborn, timeout=SHORT)
    assert (result.status, (result.error_details or {})["abandoned"]) == ("Timeout", True)
    assert "not yet" in messages(result)
    assert pool_figures()["abandoned"] == before + 1
    await next_run_is_fine(run_function, run_script)
    release.set()
    await until_abandoned_are(before)


async def test_a_coroutine_that_needs_a_moment_to_clean_up_gets_it(run_function: Execute):
    cleaned: list[bool] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            cleaned.append(True)

    result = await run_function(cleans_up, timeout=SHORT)
    assert (result.status, cleaned) == ("Timeout", [True])
    assert "abandoned" not in (result.error_details or {})


@pytest.mark.parametrize("function", [endless, waits, blocks])
async def test_a_run_that_somebody_asks_to_end_is_cancelled(run_function: Execute, function: Callable[..., Any]):
    stop = StopSignal()
    asyncio.get_running_loop().call_later(SHORT, stop.request)
    result = await run_function(function, stop=stop)
    assert (result.status, result.error_type) == ("Cancelled", "Cancelled")
    assert messages(result)[0] == "so far"


async def test_a_function_may_see_that_its_end_was_asked_for_and_end_in_its_own_way(run_function: Execute):
    stop = StopSignal()

    async def polite(context: ExecutionContext) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert context.cancelled
        return "put away"

    asyncio.get_running_loop().call_later(SHORT, stop.request)
    result = await run_function(polite, stop=stop)
    assert (result.status, result.result) == ("Success", "put away")


async def test_a_run_whose_end_was_asked_for_before_it_began_does_not_begin(run_function: Execute):
    stop = StopSignal()
    stop.request()
    called: list[bool] = []

    async def asynchronous() -> None:
        called.append(True)

    for function in (asynchronous, lambda: called.append(True)):
        result = await run_function(function, stop=stop)
        assert (result.status, result.error_details) == ("Cancelled", None)
    assert called == []


async def test_a_run_that_waits_for_a_thread_can_be_cancelled_and_never_begins(run_function: Execute):
    limit = pool_figures()["threadLimit"]
    release, stop = threading.Event(), StopSignal()
    called: list[bool] = []
    holders = [asyncio.create_task(run_function(lambda: release.wait(30))) for _ in range(limit)]
    while pool_figures()["threads"] < limit:
        await asyncio.sleep(0.01)
    waiting = asyncio.create_task(run_function(lambda: called.append(True), stop=stop))
    while pool_figures()["waiting"] == 0:
        await asyncio.sleep(0.01)
    stop.request()
    assert (await waiting).status == "Cancelled"
    release.set()
    await asyncio.gather(*holders)
    assert called == []
    assert pool_figures()["waiting"] == 0


class NoTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NoRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def recursion() -> None:
    recursion()


def raises(error: BaseException) -> Callable[[], None]:
    def raising() -> None:
        print("so far")
        raise error

    return raising


def async_raises(error: BaseException) -> Callable[[], Any]:
    async def raising() -> None:
        print("so far")
        raise error

    return raising


ERRORS: dict[str, BaseException] = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "MemoryError": MemoryError("too much"),
    "NoTextError": NoTextError(),
    "CancelledError": asyncio.CancelledError(),
    "ExceptionGroup": ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    "BaseExceptionGroup": BaseExceptionGroup("several", [SystemExit(1)]),
    "StopIteration": StopIteration(1),
}


@pytest.mark.parametrize("make", [raises, async_raises])
@pytest.mark.parametrize("name", ERRORS)
async def test_whatever_user_code_raises_is_its_result(
    run_function: Execute, run_script: Execute, make: Callable[..., Any], name: str
):
    result = await run_function(make(ERRORS[name]))
    assert result.status == "Failed"
    # An async function can't raise StopIteration: Python itself makes it a RuntimeError.
    assert result.error_type in (name, "RuntimeError" if name == "StopIteration" else name)
    assert result.error_message is not None
    assert messages(result) == ["so far"]
    await next_run_is_fine(run_function, run_script)


async def test_a_recursion_without_end_is_a_result(run_function: Execute, run_script: Execute):
    result = await run_function(recursion)
    assert (result.status, result.error_type) == ("Failed", "RecursionError")
    frames = (result.error_details or {})["failure"]["exceptions"][0]["frames"]
    assert 2 <= len(frames) <= 50
    await next_run_is_fine(run_function, run_script)


async def test_a_result_that_can_not_be_shown_is_still_a_success(run_function: Execute):
    result = await run_function(NoRepr)
    assert result.status == "Success"


async def test_a_task_that_raises_system_exit_does_not_end_the_loop(run_function: Execute, run_script: Execute):
    async def leaves_a_bomb() -> str:
        async def bomb() -> None:
            raise SystemExit(1)

        task = asyncio.create_task(bomb())
        await asyncio.wait([task])
        return "done"

    assert (await run_function(leaves_a_bomb)).result == "done"
    await next_run_is_fine(run_function, run_script)


async def test_stopping_the_loop_does_not_stop_the_next_run(run_function: Execute, run_script: Execute):
    async def stops_the_loop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "done"

    assert (await run_function(stops_the_loop)).result == "done"
    await next_run_is_fine(run_function, run_script)


async def test_blocking_code_in_an_async_function_holds_up_neither_the_house_nor_other_files_runs(
    run_function: Execute, caplog: pytest.LogCaptureFixture
):
    def blocked_here() -> None:
        time.sleep(1.5)

    async def blocked_too() -> str:
        return "after it"

    async def blocking() -> None:
        blocked_here()

    async def quick() -> str:
        return "quick"

    quick.__module__ = "another_file"
    slow = asyncio.create_task(run_function(blocking))
    await asyncio.sleep(0.2)
    waiting = asyncio.create_task(run_function(blocked_too))
    longest = 0.0
    for _ in range(5):
        started = time.monotonic()
        assert (await run_function(quick)).result == "quick"
        longest = max(longest, time.monotonic() - started)
    assert longest < 1
    assert not waiting.done()
    result = await slow
    assert (await waiting).result == "after it"
    assert result.status == "Success"
    assert any("blocks its event loop" in line and " in blocked_here" in line for line in messages(result, "engine"))
    (record,) = [record for record in caplog.records if "the file's other runs wait for it" in record.message]
    fields = {name: getattr(record, name) for name in ("execution_id", "workflow", "scope", "attempt")}
    assert fields == {"execution_id": "test", "workflow": "f", "scope": "GLOBAL", "attempt": 1}


async def test_code_that_blocks_in_a_child_task_is_found_as_the_run_itself_is(run_function: Execute):
    def blocked_here() -> None:
        time.sleep(1)

    async def child() -> None:
        blocked_here()

    async def blocking() -> None:
        await asyncio.wait_for(child(), 30)

    async def waits() -> str:
        return "after it"

    slow = asyncio.create_task(run_function(blocking))
    await asyncio.sleep(0.2)
    assert (await run_function(waits)).result == "after it"
    assert any(" in blocked_here" in line for line in messages(await slow, "engine"))


async def test_a_loop_that_is_blocked_for_good_is_replaced(
    run_function: Execute, run_script: Execute, short_grace: None
):
    release = threading.Event()

    async def blocks_for_good() -> None:
        while not release.is_set():
            with contextlib.suppress(BaseException):
                time.sleep(0.01)

    before = pool_figures()["abandoned"]
    result = await run_function(blocks_for_good, timeout=SHORT)
    assert (result.status, (result.error_details or {})["abandoned"]) == ("Timeout", True)
    assert " in blocks_for_good" in (result.error_details or {})["where"]
    assert pool_figures()["abandoned"] == before + 1
    await next_run_is_fine(run_function, run_script)
    release.set()
    await until_abandoned_are(before)


async def test_a_full_pool_lets_runs_wait_their_turn(run_function: Execute):
    limit = pool_figures()["threadLimit"]
    release = threading.Event()
    order: list[int] = []

    def holds() -> None:
        release.wait(30)

    def waits_its_turn(number: int) -> None:
        order.append(number)

    holders = [asyncio.create_task(run_function(holds)) for _ in range(limit)]
    while pool_figures()["threads"] < limit:
        await asyncio.sleep(0.01)
    waiting = []
    for number in range(5):
        waiting.append(asyncio.create_task(run_function(waits_its_turn, number=number)))
        await asyncio.sleep(0.01)
    assert pool_figures()["waiting"] == 5
    release.set()
    await asyncio.gather(*holders, *waiting)
    assert sorted(order) == list(range(5))
    assert pool_figures()["waiting"] == 0


async def test_time_spent_waiting_for_a_thread_is_not_the_runs_own(run_function: Execute):
    limit = pool_figures()["threadLimit"]
    release = threading.Event()
    holders = [asyncio.create_task(run_function(lambda: release.wait(30))) for _ in range(limit)]
    while pool_figures()["threads"] < limit:
        await asyncio.sleep(0.01)
    waiting = asyncio.create_task(run_function(lambda: "in time", timeout=SHORT))
    await asyncio.sleep(SHORT * 2)
    release.set()
    assert (await waiting).result == "in time"
    await asyncio.gather(*holders)


async def test_a_caller_that_goes_away_takes_the_run_with_it(run_function: Execute):
    ended = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    task = asyncio.create_task(run_function(long))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 5)
