"""The small parts of stopping: signals, and outcomes that nobody waits for any more."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from shared.runtime.calls import Outcome, StopSignal, is_user_code, line_of_thread
from shared.runtime.loops import LoopPool, TaskJob
from shared.runtime.threads import ThreadJob, ThreadPool


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


def test_an_outcome_for_a_loop_that_is_closed_is_dropped():
    job = ThreadJob("f", lambda: 1, contextvars.Context(), ThreadPool(1))
    loop = asyncio.new_event_loop()
    future = job.expect(loop)
    loop.close()
    job.deliver(Outcome(value=1))
    assert not future.done()


async def test_a_second_outcome_is_dropped():
    job = ThreadJob("f", lambda: 1, contextvars.Context(), ThreadPool(1))
    future = job.expect(asyncio.get_running_loop())
    job.deliver(Outcome(value=1))
    job.deliver(Outcome(value=2))
    assert (await future).value == 1
    await asyncio.sleep(0)


async def test_a_job_that_has_ended_is_neither_stopped_nor_given_up():
    pool = ThreadPool(1)
    job = ThreadJob("f", lambda: 1, contextvars.copy_context(), pool)
    future = job.expect(asyncio.get_running_loop())
    pool.submit(job)
    assert (await future).value == 1
    job.stop()
    job.abandon()
    assert (pool.abandoned, job.where()) == (0, None)

    async def call() -> int:
        return 2

    loops = LoopPool(1)
    task = TaskJob("f", call, contextvars.copy_context(), loops, lambda _: None)
    future = task.expect(asyncio.get_running_loop())
    loops.submit(task)
    assert (await future).value == 2
    task.stop()
    task.abandon()
    assert (loops.abandoned, task.where()) == (0, None)


async def test_a_job_that_was_withdrawn_never_begins():
    loops = LoopPool(1)
    begun: list[bool] = []
    release = threading.Event()

    async def holds() -> None:
        release.wait(10)

    async def call() -> None:
        begun.append(True)

    holder = TaskJob("holds", holds, contextvars.copy_context(), loops, lambda _: None)
    held = holder.expect(asyncio.get_running_loop())
    loops.submit(holder)
    while not holder.taken:
        await asyncio.sleep(0.01)
    job = TaskJob("f", call, contextvars.copy_context(), loops, lambda _: None)
    future = job.expect(asyncio.get_running_loop())
    loops.submit(job)
    job.stop()
    assert (await future).error is not None
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
