"""What recording, queueing and serving add to the storage calls that they can't do without.

The floors are the same rows and messages, written by the SDKs' own clients without anything of ours around them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from dev.azurite import Azurite
from shared.context import Caller
from shared.discovery import get_workspace
from shared.engine import ExecutionRequest
from shared.executions.queueing import EXECUTION_QUEUE, message_of
from shared.handlers.services import close_services, get_services
from shared.models.executions import ExecutionStatus
from shared.registry import FunctionRegistry, staging
from shared.repositories.executions.keys import ALL, list_key, status_list
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.rows import payload_values, record_values, summary_values
from shared.repositories.executions.store import TABLE
from shared.repositories.ids import new_execution_id
from shared.repositories.payloads import PayloadStore
from shared.settings.environment import get_settings
from tests.azure_worker.peer import NoWorkerError, azure_worker, http_call
from tests.benchmarks.report import Figure
from tests.support.accounts import StorageAccount, generated_accounts, unused_accounts
from tests.support.executions import new_record, success
from tests.support.hosted import Client, hosted_app

FLOWS = """
from shared.decorators import workflow


@workflow(name="noop", execution_mode="sync")
async def noop(): ...


@workflow(name="noop_later")
async def noop_later(): ...
"""
PAIRS = 300
QUEUED = 400
# As in host.json: messages a get, and how many run at the same time in one worker.
BATCH = 8
AT_ONCE = 16


async def figures() -> list[Figure]:
    """All of them; takes about two minutes."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        azurite = stack.enter_context(Azurite(folder / "azurite", accounts=generated_accounts(), in_memory=True))
        (folder / "flows").mkdir()
        (folder / "flows" / "bench_flows.py").write_text(FLOWS)
        accounts = unused_accounts(azurite)
        settings = {"WORKSPACE_PATH": str(folder / "flows")}
        async with _in_process(next(accounts), settings) as raw:
            found = [await _submit_figure(raw), await _enqueue_figure(raw)]
        found.append(await _http_figure(next(accounts), settings))
        found += await _azure_worker_figure(next(accounts), settings)
        found += await _throughput_figures(accounts, settings)
        found.append(await _cold_start_figure(next(accounts), settings))
        return found


class Raw:
    """The SDKs' clients on one account, with the rows and messages that an execution comes to."""

    def __init__(self, account: StorageAccount) -> None:
        self.table = TableClient.from_connection_string(account.connection_string, TABLE)
        self.queue = QueueClient.from_connection_string(
            account.connection_string,
            EXECUTION_QUEUE,
            message_encode_policy=TextBase64EncodePolicy(),
            message_decode_policy=TextBase64DecodePolicy(),
        )

    async def create(self, record: ExecutionRecord) -> str:
        answers = await self.table.submit_transaction(
            [
                ("create", _main_row(record)),
                *(("upsert", row, {"mode": UpdateMode.REPLACE}) for row in _list_rows(record)),
            ]
        )
        return str(answers[0]["etag"])

    async def replace(self, before: ExecutionStatus, record: ExecutionRecord, etag: str) -> str:
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified, "mode": UpdateMode.REPLACE}
        gone = {"PartitionKey": "GLOBAL", "RowKey": list_key(status_list(before), record.execution_id)}
        answers = await self.table.submit_transaction(
            [
                ("update", _main_row(record), condition),
                ("delete", gone),
                *(("upsert", row, {"mode": UpdateMode.REPLACE}) for row in _list_rows(record)),
            ]
        )
        return str(answers[0]["etag"])

    async def send(self, record: ExecutionRecord) -> None:
        await self.queue.send_message(message_of(record), time_to_live=-1)

    async def run_queued(self, message: Any) -> None:
        """Read, claim, finish, delete."""
        execution_id = json.loads(message.content)["execution_id"]
        row = await self.table.get_entity("GLOBAL", list_key(ALL, execution_id))
        found = row.metadata["etag"]
        assert found is not None
        running = await _record(execution_id, ExecutionStatus.RUNNING)
        etag = await self.replace(ExecutionStatus.PENDING, running, found)
        await self.replace(ExecutionStatus.RUNNING, await _record(execution_id, ExecutionStatus.SUCCESS), etag)
        await self.queue.delete_message(message)

    async def close(self) -> None:
        await self.table.close()
        await self.queue.close()


@contextlib.asynccontextmanager
async def _in_process(account: StorageAccount, settings: dict[str, str]) -> AsyncIterator[Raw]:
    import os

    os.environ.update(settings, AzureWebJobsStorage=account.connection_string)
    get_settings.cache_clear()
    get_workspace.cache_clear()
    await close_services()
    raw = Raw(account)
    with staging(FunctionRegistry()):
        for name in ("noop", "noop_later"):
            await get_services().executor.submit(_request(name))
        yield raw
    await raw.close()
    await close_services()


async def _submit_figure(raw: Raw) -> Figure:
    async def floor() -> None:
        execution_id = new_execution_id(datetime.now(UTC))
        running = await _record(execution_id, ExecutionStatus.RUNNING)
        etag = await raw.create(running)
        await raw.replace(ExecutionStatus.RUNNING, await _record(execution_id, ExecutionStatus.SUCCESS), etag)

    async def ours() -> None:
        await get_services().executor.submit(_request("noop"))

    bare, mine = await _medians_ms(floor, ours)
    return Figure("submit() of a sync no-op, p50", mine, bare, "ms", "≤ 0.6 over its raw writes", mine - bare <= 0.6)


async def _enqueue_figure(raw: Raw) -> Figure:
    async def floor() -> None:
        record = await _record(new_execution_id(datetime.now(UTC)), ExecutionStatus.PENDING)
        await raw.create(record)
        await raw.send(record)

    async def ours() -> None:
        await get_services().executor.submit(_request("noop_later"))

    bare, mine = await _medians_ms(floor, ours)
    return Figure("enqueue, p50", mine, bare, "ms", "≤ 0.6 over raw insert and send", mine - bare <= 0.6)


async def _http_figure(account: StorageAccount, settings: dict[str, str]) -> Figure:
    async with hosted_app(account.connection_string, **settings) as hosted:

        async def floor() -> None:
            answer = await hosted.client.get("/no/such/route")
            assert answer.status == 404

        async def ours() -> None:
            answer = await hosted.client.post("/workflows/noop/execute")
            assert answer.body["status"] == "Success"

        await ours()
        bare, mine = await _medians_ms(floor, ours)
    return Figure(
        "POST …/execute of a sync no-op, p50", mine, bare, "ms", "beside the host's own HTTP no-op", mine < 20 + bare
    )


async def _azure_worker_figure(account: StorageAccount, settings: dict[str, str]) -> list[Figure]:
    nothing = http_call("zz_unmatched", "GET", "/api/nowhere", params={"path": "nowhere"})
    url = "/api/workflows/noop/execute"
    execute = http_call("workflows_execute_named", "POST", url, params={"workflowName": "noop"})
    try:
        async with azure_worker(account.connection_string, **settings) as worker:
            await worker.bench(execute, 20)
            bare, mine = await worker.bench(nothing, PAIRS), await worker.bench(execute, PAIRS)
    except NoWorkerError as error:
        print(f"Microsoft's worker was not measured: {error}", file=sys.stderr)
        return []
    target = "beside an HTTP no-op in that worker"
    return [Figure("the same in Microsoft's worker, p50", mine, bare, "ms", target, mine < 20 + bare)]


async def _throughput_figures(accounts: Iterator[StorageAccount], settings: dict[str, str]) -> list[Figure]:
    raw_rate = await _raw_rate(next(accounts))
    rates = {workers: await _rate(next(accounts), settings, workers) for workers in (1, 2, 4)}
    return [
        Figure(
            f"queued no-ops, {workers} worker{'s' * (workers > 1)}",
            rate,
            raw_rate,
            "/s",
            "≥ 0.8 × the raw sequence" if workers == 1 else "storage is one process here",
            workers > 1 or rate >= 0.8 * raw_rate,
        )
        for workers, rate in rates.items()
    ]


async def _raw_rate(account: StorageAccount) -> float:
    raw = Raw(account)
    with contextlib.suppress(Exception):
        await raw.table.create_table()
        await raw.queue.create_queue()
    for _ in range(QUEUED):
        record = await _record(new_execution_id(datetime.now(UTC)), ExecutionStatus.PENDING)
        await raw.create(record)
        await raw.send(record)
    left = QUEUED
    began = time.perf_counter()

    async def worker() -> None:
        nonlocal left
        while left > 0:
            async for message in raw.queue.receive_messages(messages_per_page=BATCH, max_messages=BATCH):
                await raw.run_queued(message)
                left -= 1

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    rate = QUEUED / (time.perf_counter() - began)
    await raw.close()
    return rate


async def _rate(account: StorageAccount, settings: dict[str, str], workers: int) -> float:
    async with _in_process(account, settings) as raw:
        submissions = [await get_services().executor.submit(_request("noop_later")) for _ in range(QUEUED)]
        ids = [submission.record.execution_id for submission in submissions]
        async with contextlib.AsyncExitStack() as stack:
            # The host's own settings of the queue trigger, which bound how many run at the same time.
            for _ in range(workers):
                await stack.enter_async_context(
                    hosted_app(
                        account.connection_string,
                        **settings,
                        AzureFunctionsJobHost__extensions__queues__newBatchThreshold=str(AT_ONCE - BATCH),
                    )
                )
            async with asyncio.timeout(120):
                while (await raw.queue.get_queue_properties()).approximate_message_count:
                    await asyncio.sleep(0.1)
        repository = get_services().storage.table(TABLE)
        rows = [await repository.get("GLOBAL", list_key(ALL, one), ["startedAt", "completedAt"]) for one in ids]
        started = min(datetime.fromisoformat(row.values["startedAt"]) for row in rows if row)
        completed = max(datetime.fromisoformat(row.values["completedAt"]) for row in rows if row)
        return QUEUED / (completed - started).total_seconds()


async def _cold_start_figure(account: StorageAccount, settings: dict[str, str]) -> Figure:
    async def first_record() -> float:
        began = time.perf_counter()
        async with hosted_app(account.connection_string, **settings) as hosted:
            await _noop(hosted.client)
            return time.perf_counter() - began

    async def first_answer() -> float:
        began = time.perf_counter()
        async with hosted_app(account.connection_string, **settings) as hosted:
            await hosted.client.get("/no/such/route")
            return time.perf_counter() - began

    floors = [await first_answer() for _ in range(3)]
    ours = [await first_record() for _ in range(3)]
    bare, mine = statistics.median(floors), statistics.median(ours)
    return Figure(
        "cold start to the first record", mine * 1000, bare * 1000, "ms", "≤ 2 × a first 404", mine <= 2 * bare
    )


async def _noop(client: Client) -> None:
    assert (await client.post("/workflows/noop/execute")).status == 200


async def _medians_ms(floor: Callable[[], Awaitable[None]], ours: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Both in turn, since the emulator gets slower as its tables grow: medians in milliseconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(PAIRS):
        for run, spent in zip((floor, ours), times, strict=True):
            began = time.perf_counter()
            await run()
            spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


_payloads = PayloadStore(None)  # type: ignore[arg-type] - these are too small for a blob


async def _record(execution_id: str, status: ExecutionStatus) -> ExecutionRecord:
    """The record of a no-op, as ours is in this state."""
    record = new_record(execution_id=execution_id, scope="GLOBAL", workflow_name="noop", input_data={}, status=status)
    if status.is_end:
        record = record.ended(success(result=None, result_type=None), "token")
    return replace(record, stored=await _payloads.put(payload_values(record), "none"))


def _request(name: str) -> ExecutionRequest:
    return ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=Caller("user-1", "one@example.com", "User One"),
        name=name,
        use="workflow",
    )


def _row(key: str, values: Any) -> dict[str, Any]:
    columns = {name: value for name, value in values.items() if value is not None}
    return {**columns, "PartitionKey": "GLOBAL", "RowKey": key}


def _main_row(record: ExecutionRecord) -> dict[str, Any]:
    return _row(record.keys.main, record_values(record, summary_values(record)))


def _list_rows(record: ExecutionRecord) -> list[dict[str, Any]]:
    summary = summary_values(record)
    return [_row(key, summary) for key in record.keys.listed(record.status, is_unsent=record.is_unsent)]
