"""Whatever is asked of the API, it answers as its description says, and never with an error of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.accounts import StorageAccount
from tests.support.schemathesis_runs import FuzzRun, callers, fuzz, fuzzed_app

FEWEST_REQUESTS = 5000


async def fuzz_as_everybody(account: StorageAccount, *options: str, at_once: int) -> dict[str, FuzzRun]:
    gate = asyncio.Semaphore(at_once)

    async with fuzzed_app(account.connection_string) as app:

        async def one(caller: str) -> FuzzRun:
            async with gate:
                return await fuzz(app, caller, *options)

        names = list(callers(app))
        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def check(runs: dict[str, FuzzRun], fewest: int) -> None:
    for caller, run in runs.items():
        assert run.passed, f"as {caller}:\n{run.report}"
    assert sum(run.requests for run in runs.values()) >= fewest, {name: run.requests for name, run in runs.items()}


async def test_every_caller_gets_what_the_description_says(storage_accounts: Iterator[StorageAccount]):
    # The same requests each time: what fails here fails again.
    options = ("--phases", "examples,fuzzing,stateful", "--max-examples", "2", "--generation-deterministic")
    check(await fuzz_as_everybody(next(storage_accounts), *options, at_once=2), fewest=300)


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_every_caller_gets_what_the_description_says_thousands_of_times(
    storage_accounts: Iterator[StorageAccount],
):
    runs = await fuzz_as_everybody(
        next(storage_accounts), "--max-examples", "60", "--generation-database", "none", at_once=2
    )
    for caller, run in runs.items():
        print(f"{caller}: {run.requests} requests")
    check(runs, FEWEST_REQUESTS)
