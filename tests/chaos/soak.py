"""Many short executions of all kinds in one process: what grows, and whether it gets slower."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from shared.context import Caller
from shared.discovery import get_workspace
from shared.engine import ExecutionRequest
from shared.handlers.services import close_services, get_services
from shared.registry import FunctionRegistry, staging
from shared.repositories.ids import new_execution_id
from shared.settings.environment import get_settings
from tests.support.accounts import StorageAccount

FLOWS = """
import logging

from shared.decorators import data_provider, workflow


@workflow(name="on_loop", execution_mode="sync")
async def on_loop(n: int):
    print("number", n)
    return n


@workflow(name="in_thread", execution_mode="sync")
def in_thread(n: int):
    logging.getLogger("soak").info("number %s", n)
    return {"n": n}


@workflow(name="raises", execution_mode="sync")
def raises(n: int):
    raise ValueError(f"number {n}")


@workflow(name="queued")
async def queued(n: int):
    return n
"""
SCRIPT = base64.b64encode(b"print('number', n)\ntwice = n * 2\ncontext.set_result(twice)").decode()
# Kinds in turn. Most are transient, since the emulator, and not the app, would decide how long the others take.
_KINDS = (
    *("on_loop", "in_thread", "script", "raises") * 4,
    "recorded on_loop",
    "recorded in_thread",
    "recorded script",
    "queued",
)
_AT_ONCE = 8
# Executions of one storage account. The emulator keeps all rows of a table in one sorted list, and so gets slower.
_IN_ONE_ACCOUNT = 10_000
# Executions whose allocations are traced, after the first and after the last tenth, as many again before them: they
# renew what bounded caches hold (that of `re`, in which the table client leaves a pattern for each transaction).
_TRACED = 1_500


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment; its memory in KiB."""

    resident: float
    threads: int
    handles: int
    sockets: int


@dataclass(slots=True)
class Soak:
    """What a soak came to.

    Attributes:
        executions: how many there were.
        rates: executions a second, of each tenth.
        samples: after each tenth.
        traced: bytes that an execution leaves allocated, after the first tenth and after the last.
        wrong: what should not have been, in words.
    """

    executions: int = 0
    rates: list[float] = field(default_factory=list[float])
    samples: list[Sample] = field(default_factory=list[Sample])
    traced: list[float] = field(default_factory=list[float])
    wrong: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        rates = ", ".join(f"{rate:.0f}" for rate in self.rates)
        return (
            f"{self.executions} executions; a second, by tenths: {rates}; after the second tenth {self.samples[1]}, "
            f"after the last {self.samples[-1]}; an execution leaves {self.traced[0]:.0f} bytes at first, "
            f"{self.traced[-1]:.0f} at last; {self.wrong or 'flat'}"
        )


async def soak(accounts: Iterator[StorageAccount], folder: Path, *, executions: int) -> Soak:
    """Runs executions in this process.

    Args:
        accounts: empty storage accounts, a few thousand executions for each.
        folder: an empty one.
        executions: how many; a tenth of them warms up.
    """
    (folder / "soak_flows.py").write_text(FLOWS)
    os.environ["WORKSPACE_PATH"] = str(folder)
    report = Soak(executions)
    tenth = executions // 10
    try:
        with staging(FunctionRegistry()):
            get_workspace.cache_clear()
            numbers = iter(range(executions))
            for number in range(10):
                spent = 0.0
                mine = islice(numbers, tenth)
                while batch := list(islice(mine, _IN_ONE_ACCOUNT)):
                    await _move_to(next(accounts))
                    began = time.perf_counter()
                    await _run_all(batch)
                    spent += time.perf_counter() - began
                report.rates.append(tenth / spent)
                report.samples.append(_sample())
                if number in (0, 9):
                    report.traced.append(await _left_allocated())
    finally:
        await close_services()
        get_settings.cache_clear()
        get_workspace.cache_clear()
    _judge(report)
    return report


async def _move_to(account: StorageAccount) -> None:
    os.environ["AzureWebJobsStorage"] = account.connection_string  # noqa: SIM112 - Azure's name
    get_settings.cache_clear()
    await close_services()
    # Tables and queues are made, which is not what is measured.
    for kind in _KINDS:
        await _run(-1, kind)


async def _run_all(numbers: Sequence[int]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await _run(number, _KINDS[number % len(_KINDS)])

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))


async def _left_allocated() -> float:
    tracemalloc.start()
    await _run_all(range(_TRACED))
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    await _run_all(range(_TRACED))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / _TRACED


async def _run(number: int, kind: str) -> None:
    name = kind.removeprefix("recorded ")
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=Caller("soak"),
        parameters={"n": number},
        transient=kind == name != "queued",
        **({"code": SCRIPT} if name == "script" else {"name": name, "use": "workflow"}),
    )
    submission = await get_services().executor.submit(request)
    if kind == "queued":
        await get_services().executor.run_queued(json.dumps({"execution_id": request.execution_id}))
    elif submission.record.status != ("Failed" if kind == "raises" else "Success"):
        raise AssertionError(f"{kind} came to {submission.record}")


def _sample() -> Sample:
    gc.collect()
    links: list[str] = []
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            links.append(str(handle.readlink()))
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    sockets = sum(link.startswith("socket:") for link in links)
    return Sample(resident / 1024, threading.active_count(), len(links), sockets)


def _judge(report: Soak) -> None:
    early, late = report.samples[1], report.samples[-1]
    if report.traced[-1] > 100:
        report.wrong.append(f"an execution leaves {report.traced[-1]:.0f} bytes allocated")
    if late.resident > early.resident * 1.15 + 8192:
        report.wrong.append(f"resident memory grew by {late.resident - early.resident:.0f} KiB")
    for name in ("threads", "handles", "sockets"):
        if getattr(late, name) > getattr(early, name) + 4:
            report.wrong.append(f"{name} grew from {getattr(early, name)} to {getattr(late, name)}")
    if report.rates[-1] < report.rates[0] * 0.9:
        report.wrong.append(
            f"the last tenth was slower than the first: {report.rates[-1]:.0f} to {report.rates[0]:.0f}"
        )
