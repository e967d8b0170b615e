"""How a run is asked to end: at once by the flag, then by the exception, and its clean-up is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shared.context import ExecutionContext
from shared.runtime import watch
from shared.runtime.calls import StopSignal
from shared.runtime.left_tasks import left_tasks
from shared.runtime.watch import pool_figures
from tests.unit.conftest import Execute, messages

LIMIT = 0.1
FORCE = 0.2
# Longer than until the exception comes, and than until it would come again.
CLEAN_UP = 0.5


@pytest.fixture(autouse=True)
def soon_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FORCE_SECONDS", FORCE)
    monkeypatch.setattr(watch, "_LOOK_AGAIN_SECONDS", 0.05)


def stop_soon() -> StopSignal:
    stop = StopSignal()
    asyncio.get_running_loop().call_later(LIMIT, stop.request)
    return stop


async def coroutine_with_finally() -> None:
    try:
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(CLEAN_UP)
        print("released")


def thread_with_finally() -> None:
    try:
        while True:
            time.sleep(0.01)
    finally:
        for _ in range(int(CLEAN_UP / 0.01)):
            time.sleep(0.01)
        print("released")


@contextlib.asynccontextmanager
async def held() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(CLEAN_UP)
        print("released")


async def coroutine_with_aexit() -> None:
    async with held():
        await asyncio.sleep(30)


async def coroutine_with_handler() -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        await asyncio.sleep(CLEAN_UP)
        print("released")
        raise


async def coroutine_whose_child_cleans_up() -> None:
    await asyncio.create_task(coroutine_with_finally())


async def coroutine_that_blocks_and_cleans_up() -> None:
    try:
        while True:
            time.sleep(0.01)
    finally:
        await asyncio.sleep(CLEAN_UP)
        print("released")


def thread_with_a_loop() -> Any:
    return coroutine_with_finally()


CLEANS_UP = [
    coroutine_with_finally,
    thread_with_finally,
    coroutine_with_aexit,
    coroutine_with_handler,
    coroutine_whose_child_cleans_up,
    thread_with_a_loop,
]


@pytest.mark.parametrize("function", CLEANS_UP)
async def test_clean_up_that_has_begun_is_not_disturbed(run_function: Execute, function: Callable[..., Any]):
    timed_out, cancelled = await asyncio.gather(
        run_function(function, timeout=LIMIT), run_function(function, stop=stop_soon())
    )
    assert (timed_out.status, cancelled.status) == ("Timeout", "Cancelled")
    for result in (timed_out, cancelled):
        assert messages(result, "stdout") == ["released"]
        assert set(result.error_details or {}) == {"where"}


async def test_clean_up_of_a_coroutine_that_blocked_its_loop_is_not_disturbed(run_function: Execute):
    result = await run_function(coroutine_that_blocks_and_cleans_up, timeout=LIMIT)
    assert (result.status, messages(result, "stdout")) == ("Timeout", ["released"])


async def test_clean_up_of_a_script_is_not_disturbed(run_script: Execute):
    source = f"""
        import asyncio
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep({CLEAN_UP})
            print("released")
    """
    result = await run_script(source, timeout=LIMIT)
    assert (result.status, messages(result, "stdout")) == ("Timeout", ["released"])


def looks_in_a_thread(context: ExecutionContext) -> str:
    done = 0
    while not context.cancelled:
        time.sleep(0.01)
        done += 1
    return "put away"


async def looks_on_a_loop(context: ExecutionContext) -> str:
    while not context.cancelled:
        await asyncio.sleep(0.01)
    return "put away"


@pytest.mark.parametrize("function", [looks_in_a_thread, looks_on_a_loop])
async def test_code_that_sees_that_it_should_end_ends_with_its_own_result(
    run_function: Execute, function: Callable[..., Any]
):
    for result in (await run_function(function, stop=stop_soon()), await run_function(function, timeout=LIMIT)):
        assert (result.status, result.result) == ("Success", "put away")
        assert result.error_details == {"cancelRequested": True}


async def test_a_coroutine_that_never_looked_is_cancelled_at_once(
    run_function: Execute, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "FORCE_SECONDS", 4)
    started = time.monotonic()
    assert (await run_function(coroutine_with_handler, stop=stop_soon())).status == "Cancelled"
    assert time.monotonic() - started < 3


async def test_a_coroutine_that_looks_and_goes_on_gets_the_exception(run_function: Execute):
    stop, asked_at = StopSignal(), list[float]()

    async def looks_away(context: ExecutionContext) -> None:
        assert not context.cancelled
        asked_at.append(time.monotonic())
        stop.request()
        await asyncio.sleep(30)

    assert (await run_function(looks_away, stop=stop)).status == "Cancelled"
    assert time.monotonic() - asked_at[0] >= FORCE


async def swallows_on_a_loop() -> None:
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
    print("asked thrice")


def swallows_in_a_thread() -> None:
    asked = 0
    while asked < 3:
        try:
            time.sleep(0.01)
        except BaseException:
            asked += 1
    print("asked thrice")


@pytest.mark.parametrize("function", [swallows_on_a_loop, swallows_in_a_thread])
async def test_code_that_swallows_the_exception_gets_it_again(run_function: Execute, function: Callable[..., Any]):
    result = await run_function(function, timeout=LIMIT)
    assert messages(result, "stdout") == ["asked thrice"]
    assert (result.status, result.error_details) == ("Success", {"cancelRequested": True})


async def test_what_clean_up_raises_is_kept(run_function: Execute):
    async def fails_to_clean_up() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            raise ValueError("the door is stuck")

    result = await run_function(fails_to_clean_up, timeout=LIMIT)
    assert (result.status, result.error_type) == ("Timeout", "Timeout")
    assert result.error_details is not None
    assert result.error_details["cleanupError"] == "ValueError: the door is stuck"
    first, second = result.error_details["failure"]["exceptions"]
    assert (first["type"], second["type"], second["relation"]) == ("ValueError", "CancelledError", "context")


async def poll() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        print("polled no more")


async def leaves_a_task() -> str:
    asyncio.get_running_loop().create_task(poll(), name="poll")
    await asyncio.sleep(0)
    return "done"


def leaves_a_task_on_its_own_loop() -> Any:
    return leaves_a_task()


@pytest.mark.parametrize("function", [leaves_a_task, leaves_a_task_on_its_own_loop])
async def test_tasks_that_a_run_leaves_end_with_it_and_its_log_says_so(
    run_function: Execute, function: Callable[..., Any]
):
    before = left_tasks()
    result = await run_function(function)
    assert (result.status, result.result) == ("Success", "done")
    assert messages(result, "stdout") == ["polled no more"]
    (line,) = messages(result, "engine")
    assert line.startswith("f left tasks running, which were ended with it: poll (test_stopping.py:")
    assert left_tasks() == before


async def test_a_left_task_that_raises_while_it_ends_is_said(run_function: Execute):
    async def fails_late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("late")

    async def leaves_it() -> None:
        left = [asyncio.create_task(fails_late()) for _ in range(12)]
        assert left
        await asyncio.sleep(0)

    (line,) = messages(await run_function(leaves_it), "engine")
    assert ", 2 more, " in line
    assert "raised ValueError when it was cancelled" in line


async def test_tasks_that_a_library_made_go_on_and_are_counted(run_function: Execute):
    ended = threading.Event()

    async def uses_a_client() -> None:
        # Its coroutine is not the workspace's, as that of a client's reader.
        task = asyncio.create_task(asyncio.sleep(0.3))
        task.add_done_callback(lambda _: ended.set())

    before = left_tasks()
    result = await run_function(uses_a_client)
    assert messages(result) == []
    assert left_tasks() == before + 1
    assert await asyncio.to_thread(ended.wait, 5)
    assert left_tasks() == before


async def test_a_run_that_cancels_its_own_task_ends(run_function: Execute):
    async def cancels_itself() -> str:
        own, _left = asyncio.current_task(), asyncio.create_task(poll())
        assert own is not None
        own.cancel()
        return "done"

    assert (await run_function(cancels_itself)).result == "done"


async def test_threads_that_a_run_leaves_are_counted_until_they_end(run_function: Execute):
    release = threading.Event()

    def leaves_a_thread() -> None:
        threading.Thread(target=release.wait, args=(10,), daemon=True).start()

    before = pool_figures()["leftThreads"]
    await run_function(leaves_a_thread)
    assert pool_figures()["leftThreads"] == before + 1
    release.set()
    async with asyncio.timeout(5):
        while pool_figures()["leftThreads"] > before:
            await asyncio.sleep(0.01)


async def swallows_in_a_child() -> None:
    async def child() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    await asyncio.create_task(child())
    print("went on")
    await asyncio.sleep(30)


def swallows_in_a_child_on_its_own_loop() -> Any:
    return swallows_in_a_child()


@pytest.mark.parametrize("function", [swallows_in_a_child, swallows_in_a_child_on_its_own_loop])
async def test_a_run_whose_child_swallows_the_exception_gets_it_again(
    run_function: Execute, function: Callable[..., Any]
):
    result = await run_function(function, timeout=LIMIT)
    assert (result.status, messages(result, "stdout")) == ("Timeout", ["went on"])
    assert "abandoned" not in (result.error_details or {})


async def spins_in_a_child() -> None:
    async def spin() -> None:
        while True:
            time.sleep(0.01)

    await asyncio.gather(spin(), asyncio.sleep(0))


def spins_in_a_child_on_its_own_loop() -> Any:
    return spins_in_a_child()


@pytest.mark.parametrize("function", [spins_in_a_child, spins_in_a_child_on_its_own_loop])
async def test_a_child_that_blocks_is_made_to_end_as_the_run_itself_is(
    run_function: Execute, function: Callable[..., Any]
):
    result = await run_function(function, timeout=LIMIT)
    assert result.status == "Timeout"
    assert result.error_details is not None
    assert "abandoned" not in result.error_details
    assert " in spin" in result.error_details["where"]


@pytest.mark.parametrize("fails", [True, False])
async def test_a_run_that_has_ended_is_not_judged_again_while_its_tasks_are_ended(run_function: Execute, fails: bool):
    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.4)

    async def leaves_it() -> str:
        left = asyncio.create_task(slow_to_end())
        await asyncio.sleep(0)
        assert not left.done()
        if fails:
            raise ValueError("by itself")
        return "done"

    result = await run_function(leaves_it, timeout=0.2)
    assert (result.status, result.error_type) == (("Failed", "ValueError") if fails else ("Success", None))
    assert "cancelRequested" not in (result.error_details or {})
