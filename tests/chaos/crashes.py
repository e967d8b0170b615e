"""Instances of the app whose workers are killed at random while they work off a queue."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.executions.lease import LEASE_SECONDS
from tests.chaos.callers import execute, execution, until_all_ended
from tests.chaos.work import Work
from tests.support.hosted import HostedApp, hosted_app

# From the kill of a worker to the end, or the next attempt, of what it ran.
RECOVERY_SECONDS = 90.0


@dataclass(slots=True)
class Crashes:
    """What the kills came to.

    Attributes:
        kills: workers killed.
        ends: how often executions ended as each status, with the error type of those that failed.
        lost: attempts that ended because their worker was lost.
        repeated: executions whose side effect happened more than once.
        recovery_seconds: of each lost attempt, from the last renewal of its lease until it was found.
        seconds: of the whole.
        wrong: what should not have been, in words.
    """

    kills: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    lost: int = 0
    repeated: int = 0
    recovery_seconds: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        slowest = max(self.recovery_seconds, default=0)
        return (
            f"{self.kills} kills, {dict(self.ends)}, {self.lost} attempts lost, {self.repeated} side effects repeated, "
            f"slowest recovery {slowest:.0f} s, {self.seconds:.0f} s in all; {self.wrong or 'all as promised'}"
        )


async def crash(
    connection: str, folder: Path, *, instances: int, workflows: dict[str, int], kills: int, seconds: float, seed: int
) -> Crashes:
    """Runs executions on several instances and kills their workers.

    Args:
        connection: of the storage account.
        folder: an empty one.
        instances: how many processes of the app there are.
        workflows: how many executions of each workflow.
        kills: how many workers are killed.
        seconds: how long each execution works.
        seed: of the moments of the kills.
    """
    work, chance, crashes = Work(folder), random.Random(seed), Crashes()
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(hosted_app(connection, **work.settings)) for _ in range(instances)]
        clients = [app.client for app in apps]
        killing = asyncio.create_task(_kill(apps, kills, chance, crashes))
        calls = [(name, f"{name}-{number}") for name, count in workflows.items() for number in range(count)]
        chance.shuffle(calls)
        slots = asyncio.Semaphore(16)

        async def enqueue(name: str, key: str) -> str:
            async with slots:
                answer = await execute(clients, name, key, seconds=seconds)
            assert answer.status == 202, answer
            return answer.body["executionId"]

        ids = await asyncio.gather(*(enqueue(name, key) for name, key in calls))
        await killing
        total = sum(workflows.values())
        await until_all_ended(clients[0], 2 * RECOVERY_SECONDS + total * seconds)
        ended = [await execution(clients[0], execution_id) for execution_id in ids]
    _judge(ended, work, crashes)
    if len(set(ids)) != len(ids):
        crashes.wrong.append("two calls got one execution")
    crashes.seconds = time.monotonic() - began
    return crashes


async def _kill(apps: list[HostedApp], kills: int, chance: random.Random, crashes: Crashes) -> None:
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(1.0, 4.0))
        app = chance.choice(apps)
        for child in await _children(app.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                crashes.kills += 1


async def _children(process_id: int) -> list[int]:
    asking = await asyncio.create_subprocess_exec("pgrep", "-P", str(process_id), stdout=asyncio.subprocess.PIPE)
    out, _ = await asking.communicate()
    return [int(line) for line in out.split()]


def _judge(ended: list[dict[str, Any]], work: Work, crashes: Crashes) -> None:
    effects = work.effects()
    for run, count in effects.items():
        if count > 1:
            crashes.wrong.append(f"attempt {run[1]} of {run[0]} was run {count} times")
    for one in ended:
        execution_id, attempts = one["executionId"], one["attempts"]
        end = one["status"] if one["status"] == "Success" else f"{one['status']} {one['errorType']}"
        crashes.ends[end] += 1
        outcomes = [*attempts, *([one] if one["errorType"] == "WorkerLost" else [])]
        crashes.lost += len(outcomes)
        for outcome in outcomes:
            if outcome["errorType"] != "WorkerLost":
                crashes.wrong.append(f"{execution_id} was tried again after {outcome['errorType']}")
                continue
            renewed = datetime.fromisoformat(outcome["details"]["leaseExpiredAt"]).timestamp() - LEASE_SECONDS
            crashes.recovery_seconds.append(datetime.fromisoformat(outcome["completedAt"]).timestamp() - renewed)
        happened = [attempt for attempt in range(1, one["attempt"] + 1) if effects[execution_id, attempt]]
        if len(happened) > 1:
            crashes.repeated += 1
        if one["status"] == "Success" and one["attempt"] not in happened:
            crashes.wrong.append(f"{execution_id} succeeded without having run")
        if end not in ("Success", "Failed WorkerLost"):
            crashes.wrong.append(f"{execution_id} ended as {end}: {one['error']}")
        if end != "Success" and one["workflowName"] == "work_again":
            crashes.wrong.append(f"{execution_id} was given up after attempt {one['attempt']}")
    if max(crashes.recovery_seconds, default=0) > RECOVERY_SECONDS:
        crashes.wrong.append("a recovery took too long")
