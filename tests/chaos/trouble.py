"""Storage that is slow, cuts connections, fails, asks for patience, loses answers, and goes away as a whole."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from dev.azurite import Azurite
from tests.chaos.callers import execution, listed, until_all_ended
from tests.chaos.work import Work
from tests.support.accounts import StorageAccount
from tests.support.faults import Fault, Faults
from tests.support.hosted import Client, hosted_app
from tests.support.proxy import StorageProxy

_AT_ONCE = 12


@dataclass(slots=True)
class Trouble:
    """What the trouble came to.

    Attributes:
        answers: how often calls were answered with each status; "none" where the connection was cut.
        unrecorded: answers that said that their run was not recorded yet.
        ends: how often recorded executions ended as each status.
        faults: how many of each kind were injected.
        seconds: of the whole.
        wrong: what should not have been, in words.
    """

    answers: Counter[str] = field(default_factory=Counter[str])
    unrecorded: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    faults: dict[Fault, int] = field(default_factory=dict[Fault, int])
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"answers {dict(self.answers)}, {self.unrecorded} not recorded at once, ends {dict(self.ends)}, "
            f"faults {self.faults}, {self.seconds:.0f} s in all; {self.wrong or 'all as promised'}"
        )


async def faulty(
    azurite: Azurite, account: StorageAccount, folder: Path, *, executions: int, rate: float, seed: int
) -> Trouble:
    """Runs executions, sync and async in turn, on storage of which some of the exchanges go wrong."""
    work, trouble = Work(folder), Trouble()
    began = time.monotonic()
    async with StorageProxy(azurite, account) as proxy, hosted_app(proxy.connection_string, **work.settings) as hosted:
        proxy.faults = faults = Faults(rate, seed)
        accepted = await _calls(hosted.client, executions, trouble)
        await until_all_ended(hosted.client, 180)
        proxy.faults = None
        trouble.faults = dict(faults.drawn)
        await _judge(hosted.client, accepted, work, trouble)
    trouble.seconds = time.monotonic() - began
    return trouble


async def away(azurite: Azurite, folder: Path, *, executions: int, seconds: float) -> Trouble:
    """Runs executions while storage ends orderly and starts again after a while."""
    work, trouble = Work(folder), Trouble()
    began = time.monotonic()
    async with hosted_app(azurite.connection_string, **work.settings) as hosted:
        accepted = await _calls(hosted.client, executions, trouble)
        calling = asyncio.create_task(_calls(hosted.client, executions, trouble))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(azurite.stop)
        answered = sum(trouble.answers.values())
        refused = asyncio.create_task(_calls(hosted.client, _AT_ONCE, trouble))
        await asyncio.sleep(seconds)
        await asyncio.to_thread(azurite.start)
        accepted += await calling + await refused
        if trouble.answers["503"] == 0:
            trouble.wrong.append(f"nothing was refused after the first {answered} answers")
        accepted += await _calls(hosted.client, executions, trouble)
        await until_all_ended(hosted.client, 180)
        await _judge(hosted.client, accepted, work, trouble)
    trouble.seconds = time.monotonic() - began
    return trouble


async def _calls(client: Client, count: int, trouble: Trouble) -> list[str]:
    """Makes calls, each once, and gives the ids of those that were taken."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def call(number: int) -> str | None:
        async with slots:
            body = {"workflowName": "work_now" if number % 2 else "work_once", "inputData": {"seconds": 0.01}}
            try:
                answer = await client.post("/workflows/execute", body)
            except aiohttp.ClientError:
                trouble.answers["none"] += 1
                return None
        trouble.answers[str(answer.status)] += 1
        if answer.status == 200 and answer.body["status"] != "Success":
            trouble.wrong.append(f"a run came to {answer.body}")
        if answer.status not in (200, 202, 503):
            trouble.wrong.append(f"a call was answered with {answer.status}: {answer.body}")
        trouble.unrecorded += answer.headers.get("Execution-Recorded") == "false"
        return answer.body["executionId"] if answer.status < 300 else None

    taken = await asyncio.gather(*(call(number) for number in range(count)))
    return [execution_id for execution_id in taken if execution_id is not None]


async def _judge(client: Client, accepted: list[str], work: Work, trouble: Trouble) -> None:
    recorded = {one["executionId"]: one["status"] for one in await listed(client)}
    effects = work.effects()
    trouble.wrong += [f"{run} was run {count} times" for run, count in effects.items() if count > 1]
    trouble.wrong += [f"{execution_id} is lost" for execution_id in accepted if execution_id not in recorded]
    trouble.wrong += [f"{run[0]} ran without a record" for run in effects if run[0] not in recorded]
    for execution_id, status in recorded.items():
        trouble.ends[status] += 1
        expected = 1
        if status != "Success":
            one = await execution(client, execution_id)
            # What its caller was told was not begun: only that could not be said in the record at once.
            expected = 0 if one["errorType"] == "ServiceUnavailable" and execution_id not in accepted else 1
            if expected:
                trouble.wrong.append(f"{execution_id} ended as {status}: {one['error']}")
        if effects[execution_id, 1] != expected:
            trouble.wrong.append(f"{execution_id} is {status} and has run {effects[execution_id, 1]} times")
