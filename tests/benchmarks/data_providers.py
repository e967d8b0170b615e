"""What a dropdown costs: from memory, from the table, and when a thousand ask for what nobody knows yet."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dev.azurite import Azurite
from shared.access.principal import Principal
from shared.context import Caller
from shared.data_providers.cache import ProviderCache
from shared.data_providers.cache_key import cache_key
from shared.decorators import data_provider, metadata_of, param
from shared.discovery import get_workspace
from shared.engine import ExecutionRequest, prepare
from shared.handlers.provider_options import provide_options
from shared.handlers.services import close_services, get_services
from shared.models.results import ExecutionResult
from shared.registry import FunctionRegistry, get_registry, staging
from shared.settings.environment import get_settings
from shared.storage import count_storage_calls
from tests.benchmarks.report import Figure

PRINCIPAL = Principal(Caller("bench"))
HITS = 5_000
TABLE_HITS = 200
ROUNDS = 5

runs = 0


@data_provider(name="bench_cities")
@param("country", type="string", required=True)
@param("limit", type="int", default_value=100, validation={"max": 500})
async def bench_cities(country: str, limit: int) -> list[str]:
    global runs
    runs += 1
    return [f"{country} {number}" for number in range(limit)]


async def figures() -> list[Figure]:
    """All of them, on an Azurite and a workspace folder of their own; takes some seconds."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder) / "azurite", in_memory=True) as azurite:
        os.environ |= {"AzureWebJobsStorage": azurite.connection_string, "WORKSPACE_PATH": folder}
        get_settings.cache_clear()
        get_workspace.cache_clear()
        await close_services()
        try:
            get_workspace().load()
            with staging(FunctionRegistry()):
                metadata = metadata_of(bench_cities)
                assert metadata is not None
                get_registry().register_function(metadata)
                return [*await _memory_figures(), await _table_figure(), *await _miss_figures()]
        finally:
            await close_services()
            os.environ.clear()
            os.environ.update(before)
            get_settings.cache_clear()
            get_workspace.cache_clear()


def _request(country: str) -> ExecutionRequest:
    return ExecutionRequest(
        execution_id="x",
        caller=PRINCIPAL.caller,
        name="bench_cities",
        parameters={"country": country, "limit": 50},
        use="data_provider",
    )


async def _memory_figures() -> list[Figure]:
    known: dict[str, Any] = {}

    async def look_up() -> Any:
        prepared = prepare(_request("de"))
        return known.get(str(prepared.parameters))

    async def ask() -> None:
        assert (await provide_options("bench_cities", {"country": "de", "limit": 50}, PRINCIPAL)).cached

    async def ask_engine() -> None:
        assert (await get_services().engine.execute(_request("de"))).cached

    await provide_options("bench_cities", {"country": "de", "limit": 50}, PRINCIPAL)
    with count_storage_calls() as calls:
        floor, engine, whole = await _medians_us([look_up, ask_engine, ask], HITS)
    return [
        Figure("options from memory, execute()", engine, floor, "µs", "≤ 60", engine <= 60),
        Figure("options from memory, provide_options()", whole, floor, "µs", "≤ 60", whole <= 60),
        Figure("storage calls of a hit from memory", calls.total, 0, "calls", "0", calls.total == 0),
    ]


async def _table_figure() -> Figure:
    table = get_services().storage.table("ProviderAnswers")
    request = _request("de")
    metadata = get_registry().get_function("bench_cities")
    assert metadata is not None
    key = cache_key(
        metadata,
        scope=request.scope,
        caller=(request.caller.user_id, False, False),
        given=request.parameters,
        valid=prepare(request).parameters,
    )
    assert key is not None
    answers = get_services().provider_answers

    async def read_row() -> Any:
        return await table.get(key.digest[0], key.digest)

    async def never() -> ExecutionResult:
        raise AssertionError("the answer is in the table")

    async def ask() -> None:
        assert (await ProviderCache(answers).get(key, never)).cached

    with count_storage_calls() as calls:
        await ask()
    floor, ours = await _medians_us([read_row, ask], TABLE_HITS)
    target = f"≤ 1 ms over one read; {calls.total} storage call"
    return Figure("options from the table", ours, floor, "µs", target, ours - floor <= 1000 and calls.total == 1)


async def _miss_figures() -> list[Figure]:
    """A thousand at once, beside a thousand that find the answer in memory."""
    asked = 1_000

    async def all_at_once(country: str) -> float:
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(provide_options("bench_cities", {"country": country}, PRINCIPAL) for _ in range(asked))
        )
        assert {len(answer.options) for answer in answers} == {100}
        return (time.perf_counter() - began) * 1000

    before = runs
    ours = await all_at_once("new")
    ran = runs - before
    floor = await all_at_once("new")
    return [
        Figure("1,000 concurrent misses", ours, floor, "ms", "≤ 3 × 1,000 hits", ours <= 3 * floor),
        Figure("runs of 1,000 concurrent misses", ran, 1, "runs", "1", ran == 1),
    ]


async def _medians_us(calls: list[Callable[[], Awaitable[Any]]], count: int) -> list[float]:
    """All in turn, since the machine's speed drifts: medians of a call, in microseconds."""
    rounds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, times in zip(calls, rounds, strict=True):
            began = time.perf_counter()
            for _ in range(count):
                await call()
            times.append((time.perf_counter() - began) / count * 1e6)
    return [statistics.median(times) for times in rounds]
