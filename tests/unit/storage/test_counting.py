"""The counter of storage calls."""

from __future__ import annotations

import asyncio

from shared.storage import count_storage_calls, storage_calls
from shared.storage.counting import count_request


async def test_each_piece_of_work_counts_its_own_calls() -> None:
    async def work(calls: int) -> int:
        with count_storage_calls() as counter:
            for _ in range(calls):
                await asyncio.sleep(0)
                count_request("tables")
            return counter.total

    assert await asyncio.gather(work(1), work(5), work(3)) == [1, 5, 3]


async def test_calls_of_tasks_started_inside_are_counted_too() -> None:
    async def call() -> None:
        count_request("blobs")

    with count_storage_calls() as counter:
        await asyncio.gather(call(), call())
    assert (counter.tables, counter.queues, counter.blobs) == (0, 0, 2)


def test_nothing_is_counted_outside() -> None:
    count_request("queues")
    assert storage_calls.get() is None
