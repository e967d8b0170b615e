"""The log of a run can be followed while it runs: every line once, in order, whoever reads it and whatever happens."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.executions import lease as leases
from shared.handlers.executions_handlers import cancel_execution, get_logs
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionLogsQuery
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN

App = Callable[[], Storage]

TALKER = """
import asyncio
import logging
import threading

from shared.decorators import workflow


@workflow(name="talker", retry_policy={"max_attempts": 2, "backoff_seconds": 0})
async def talker(context, lines: int, pause: float = 0.01, fails_at: int = 0):
    for number in range(lines):
        print(f"line {number}")
        await asyncio.sleep(pause)
    if context.attempt <= fails_at:
        raise RuntimeError("no")


@workflow(name="burst")
async def burst(lines: int, size: int = 10, seconds: float = 0.5):
    for number in range(lines):
        print(f"{number} " + "x" * size)
    await asyncio.sleep(seconds)
    print("end")


@workflow(name="crowd")
def crowd(threads: int, lines: int):
    def talk(name):
        for number in range(lines):
            logging.getLogger("crowd").info("%s %s", name, number)

    group = [threading.Thread(target=talk, args=(name,)) for name in range(threads)]
    for thread in group:
        thread.start()
    for thread in group:
        thread.join()
"""


@pytest.fixture(autouse=True)
def talkers(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workflows that write, and flushes every twentieth of a second and not every second."""
    (tmp_path / "flows" / "talkers_of_the_test.py").write_text(TALKER)
    monkeypatch.setattr(leases, "FLUSH_EVERY_SECONDS", 0.05)
    monkeypatch.setattr("shared.handlers.executions_handlers._LOOK_AGAIN_SECONDS", 0.05)
    yield
    sys.modules.pop("talkers_of_the_test", None)


async def begun(workflow: str, **parameters: Any) -> tuple[str, asyncio.Task[None]]:
    request = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    execution_id = (await execute_workflow_handler(request, ADMIN)).answer.execution_id
    return execution_id, deliver(execution_id)


def deliver(execution_id: str, attempt: int = 1) -> asyncio.Task[None]:
    message = json.dumps({"execution_id": execution_id, "attempt": attempt})
    return asyncio.create_task(get_services().executor.run_queued(message))


async def followed(execution_id: str, wait: float = 5) -> list[dict[str, Any]]:
    """All lines, as one gets them who asks for those after the last one seen, until the execution has ended."""
    lines: list[dict[str, Any]] = []
    cursor = 0
    while True:
        view = await get_logs(execution_id, ExecutionLogsQuery(after=cursor, wait=wait), ADMIN)
        lines += view.logs
        cursor = view.cursor
        if view.status.is_end and not view.logs:
            return lines


async def test_a_follower_sees_every_line_once_and_the_first_ones_while_it_runs(app: App):
    execution_id, running = await begun("talker", lines=60)
    view = await get_logs(execution_id, ExecutionLogsQuery(wait=5), ADMIN)
    assert view.logs
    assert view.status in ("Pending", "Running")
    lines = await followed(execution_id)
    await running
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(60)]
    assert [line["seq"] for line in lines] == list(range(1, 61))


async def test_followers_at_any_cursor_agree(app: App):
    execution_id, running = await begun("talker", lines=30)
    first, second = await asyncio.gather(followed(execution_id), followed(execution_id, wait=0))
    await running
    assert first == second == await followed(execution_id)
    view = await get_logs(execution_id, ExecutionLogsQuery(after=12), ADMIN)
    assert [line["seq"] for line in view.logs] == list(range(13, 31))


async def test_lines_of_many_threads_come_once_each_and_in_order_of_their_numbers(app: App):
    execution_id, running = await begun("crowd", threads=8, lines=400)
    lines = await followed(execution_id)
    await running
    assert [line["seq"] for line in lines] == list(range(1, 3201))
    assert len({line["message"] for line in lines}) == 3200


async def test_the_numbers_go_on_through_the_attempts(app: App):
    execution_id, running = await begun("talker", lines=10, fails_at=1)
    await running
    await deliver(execution_id, attempt=2)
    lines = await followed(execution_id)
    assert [line["seq"] for line in lines] == list(range(1, 21))
    assert [line["message"] for line in lines] == 2 * [f"line {number}" for number in range(10)]


async def test_a_burst_of_as_many_lines_as_are_kept_is_followed_without_a_gap(app: App):
    execution_id, running = await begun("burst", lines=9_999, seconds=1)
    lines = await followed(execution_id)
    await running
    assert [line["seq"] for line in lines] == list(range(1, 10_001))


async def test_where_more_is_written_than_is_kept_the_gap_is_named(app: App):
    execution_id, running = await begun("burst", lines=100_000, seconds=1)
    lines = await followed(execution_id)
    await running
    expected = 1
    for line in lines:
        if line["source"] == "engine":
            assert line["data"]["firstLeftOut"] == expected
            assert line["data"]["lastLeftOut"] == line["seq"]
        else:
            assert line["seq"] == expected
        expected = line["seq"] + 1
    assert expected == 100_002
    assert lines[-1]["message"] == "end"


async def test_large_lines_are_kept_whole(app: App):
    execution_id, running = await begun("burst", lines=8, size=250_000, seconds=0.5)
    lines = await followed(execution_id)
    await running
    assert [len(line["message"]) for line in lines[:8]] == [250_002] * 8


async def test_a_quick_run_costs_nothing_for_its_log_and_a_longer_one_a_call_for_each_flush(app: App):
    await (await begun("talker", lines=1))[1]
    with count_storage_calls() as quick:
        await (await begun("talker", lines=2, pause=0))[1]
    # Enqueue: one table call, one message. Worker: read, claim, finish.
    assert (quick.tables, quick.queues, quick.blobs) == (4, 1, 0)
    with count_storage_calls() as longer:
        await (await begun("talker", lines=40))[1]
    flushes = longer.tables - 4
    assert 2 <= flushes <= 0.4 / 0.05 * 2


async def test_a_run_that_writes_nothing_is_not_flushed(app: App):
    await (await begun("talker", lines=0))[1]
    with count_storage_calls() as calls:
        await (await begun("patient_later", seconds=0.3))[1]
    assert calls.tables == 4


async def test_after_a_lost_worker_what_was_flushed_is_the_log_and_the_record_says_that_more_may_be_missing(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shared.executions.recovery.CONFIRM_SECONDS", 0)
    monkeypatch.setattr("shared.executions.recovery.LEASE_SECONDS", 0)
    execution_id, running = await begun("talker", lines=100)
    executions = get_services().executions
    view = await get_logs(execution_id, ExecutionLogsQuery(wait=5), ADMIN)
    # What a killed process leaves: a record with a lease that nobody renews.
    running.cancel()
    await asyncio.wait([running])
    record = await executions.get("GLOBAL", execution_id)
    assert record is not None
    await executions.renew(record, lease_until=datetime.now(UTC) - timedelta(seconds=1))
    # Its policy has it tried again, so the log is that of an attempt.
    assert (await get_services().recovery.recover()).retried == 1
    await deliver(execution_id, attempt=2)
    lines = await followed(execution_id)
    assert lines[: len(view.logs)] == view.logs
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    (note,) = (line for line in lines if line["source"] == "engine")
    assert (note["level"], "last second" in note["message"]) == ("error", True)
    assert [line["message"] for line in lines[lines.index(note) + 1 :]] == [f"line {number}" for number in range(100)]
    record = await executions.get("GLOBAL", execution_id)
    assert record is not None
    assert (record.status, [attempt["errorType"] for attempt in record.attempts]) == ("Success", ["WorkerLost"])


async def test_a_cancelled_run_keeps_its_log(app: App):
    execution_id, running = await begun("talker", lines=1000)
    await get_logs(execution_id, ExecutionLogsQuery(wait=5), ADMIN)
    await cancel_execution(execution_id, ADMIN)
    lines = await followed(execution_id)
    await running
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
