"""The small parts of stopping: signals, and outcomes that nobody waits for any more."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from shared.runtime.calls import Call, Outcome, StopSignal, is_user_code, line_of_thread
from shared.runtime.loops import LoopPool, TaskCall
from shared.runtime.threads import ThreadCall, ThreadPool
from shared.runtime.watch import Watch


def void(_: object) -> None: ...


def test_a_signal_tells_those_who_listened_before_and_those_who_come_later_once():
    heard: list[str] = []
    signal = StopSignal()
    signal.listen(lambda: heard.append("before"))
    assert not signal.requested
    signal.request()
    signal.request()
    signal.listen(lambda: heard.append("after"))
    assert signal.requested
    assert heard == ["before", "after"]


async def watch_of_nothing() -> Watch:
    return Watch(ThreadCall(lambda: 1, contextvars.Context(), ThreadPool(1)))


def started(call: Call) -> asyncio.Future[Outcome]:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Outcome] = loop.create_future()
    call.start(lambda outcome: void(loop.call_soon_threadsafe(ended.set_result, outcome)))
    return ended


def test_an_outcome_for_a_loop_that_is_closed_is_dropped():
    watch = asyncio.run(watch_of_nothing())
    watch.settle(Outcome(value=1))


async def test_a_second_outcome_is_dropped():
    call = ThreadCall(lambda: 1, contextvars.Context(), ThreadPool(1))
    watch = Watch(call)
    watch.settle(Outcome(value=1))
    watch.settle(Outcome(value=2))
    call.take()
    assert (await watch.run(None, None)).value == 1
    await asyncio.sleep(0)


async def test_a_call_that_has_ended_is_neither_stopped_nor_abandoned():
    pool = ThreadPool(1)
    call = ThreadCall(lambda: 1, contextvars.copy_context(), pool)
    assert (await started(call)).value == 1
    assert not call.withdraw()
    call.cancel()
    call.interrupt()
    call.abandon()
    assert (pool.abandoned, call.where()) == (0, None)

    async def function() -> int:
        return 2

    loops = LoopPool(1)
    task = TaskCall(function, contextvars.copy_context(), loops, "a", void)
    assert (await started(task)).value == 2
    assert not task.withdraw()
    task.cancel()
    task.interrupt()
    task.abandon()
    assert (loops.abandoned, task.where()) == (0, None)


async def test_a_call_that_was_withdrawn_never_begins():
    loops = LoopPool(1)
    begun: list[bool] = []
    release = threading.Event()

    async def holds() -> None:
        release.wait(10)

    async def function() -> None:
        begun.append(True)

    holder = TaskCall(holds, contextvars.copy_context(), loops, "a", void)
    held = started(holder)
    while not holder.taken:
        await asyncio.sleep(0.01)
    call = TaskCall(function, contextvars.copy_context(), loops, "a", void)
    ended = started(call)
    assert call.withdraw()
    assert (await ended).error is not None
    release.set()
    await held
    await asyncio.sleep(0.1)
    assert begun == []


def test_lines_are_those_of_user_code_alone():
    assert is_user_code(__file__)
    assert not is_user_code(threading.__file__)
    assert not is_user_code("<frozen importlib._bootstrap>")
    assert not is_user_code("/somewhere/site-packages/library.py")
    assert line_of_thread(None) is None
    assert (line_of_thread(threading.get_ident()) or "").endswith(" in test_lines_are_those_of_user_code_alone")
