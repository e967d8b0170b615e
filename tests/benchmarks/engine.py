"""What the engine adds to the call of a function."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import statistics
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from shared.context import Caller, ExecutionContext
from shared.decorators import param, workflow
from shared.engine import ExecutionRequest, execute
from shared.logs.buffer import LogBuffer
from shared.logs.capture import capture_into
from shared.parameters.validation import plan_of
from shared.registry import FunctionRegistry, get_registry, staging
from tests.benchmarks.report import Figure

CALLER = Caller("bench")
RUNS = 10_000
ROUNDS = 5

SCRIPT = "\n".join([f"v{number} = {number} + len(str({number}))" for number in range(29)] + ["total = v0 + v28"])


@workflow(name="noop_async")
async def noop_async() -> None: ...


@workflow(name="noop_def")
def noop_def() -> None: ...


@workflow(name="five")
@param("a", type="string", required=True, validation={"max_length": 80})
@param("b", type="int", required=True, validation={"min": 0})
@param("c", type="float", required=True)
@param("d", type="bool", required=True)
@param("e", type="list", required=True)
async def five(context: ExecutionContext, a: str, b: int, c: float, d: bool, e: list[Any]) -> None: ...


async def figures() -> list[Figure]:
    """All of them; takes about half a minute."""
    with staging(FunctionRegistry()):
        for function in (noop_async, noop_def, five):
            metadata = function.__workflow_definition__.metadata  # type: ignore[attr-defined]
            get_registry().register_function(metadata)
        await _call("noop_async")
        await _call("noop_def")
        return [
            await _async_figure(),
            await _thread_figure(),
            _log_figure(),
            _suppressed_figure(),
            await _script_figure(),
            _validation_figure(),
            await _memory_figure(),
        ]


async def _call(name: str) -> None:
    await execute(ExecutionRequest(execution_id="x", caller=CALLER, name=name, config={}))


async def _medians_us(
    floor: Callable[[], Awaitable[Any]],
    ours: Callable[[], Awaitable[Any]],
    clock: Callable[[], float],
    runs: int = RUNS,
) -> tuple[float, float]:
    """Both in turn, since the machine's speed drifts: medians of a call, in microseconds."""
    rounds: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(ROUNDS):
        for which, run in enumerate((floor, ours)):
            gc.collect()
            began = clock()
            for _ in range(runs):
                await run()
            rounds[which].append((clock() - began) / runs * 1e6)
    return statistics.median(rounds[0]), statistics.median(rounds[1])


async def _async_figure() -> Figure:
    other = asyncio.new_event_loop()
    threading.Thread(target=other.run_forever, daemon=True).start()
    here = asyncio.get_running_loop()

    async def hop() -> None:
        future = here.create_future()

        async def there() -> None:
            here.call_soon_threadsafe(future.set_result, None)

        other.call_soon_threadsafe(other.create_task, there())
        await future

    floor, ours = await _medians_us(hop, lambda: _call("noop_async"), time.process_time)
    other.call_soon_threadsafe(other.stop)
    return Figure(
        "no-op async function, execute() (CPU)", ours, floor, "µs", "≤ 60 over a bare hop", ours - floor <= 60
    )


async def _thread_figure() -> Figure:
    def nothing() -> None: ...

    floor, ours = await _medians_us(lambda: asyncio.to_thread(nothing), lambda: _call("noop_def"), time.perf_counter)
    return Figure("no-op def, execute()", ours, floor, "µs", "≤ 1.5 × asyncio.to_thread", ours <= 1.5 * floor)


def _log_figure() -> Figure:
    logger = logging.getLogger("bench.lines")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.INFO)
    lines = 5_000

    def write() -> float:
        began = time.perf_counter()
        for number in range(lines):
            logger.info("line %d of %s", number, "bench")
        return (time.perf_counter() - began) / lines * 1e6

    pairs = [(write(), capture_into(LogBuffer()).run(write)) for _ in range(ROUNDS)]
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure("a captured log line", ours, floor, "µs", "≤ 8 over a NullHandler", ours - floor <= 8)


def _suppressed_figure() -> Figure:
    logger = logging.getLogger("bench.suppressed")
    namespace: dict[str, Any] = {"logger": logger}
    source = "def write(lines):\n    for number in range(lines):\n        logger.debug('line %d', number)"
    # What a library says at this level is dropped, and found out to be a library's at each call.
    exec(compile(source, "/site-packages/library/wire.py", "exec"), namespace)
    lines = 50_000

    def timed() -> float:
        began = time.thread_time()
        namespace["write"](lines)
        return (time.thread_time() - began) / lines * 1e6

    pairs = [(timed(), capture_into(LogBuffer()).run(timed)) for _ in range(ROUNDS)]
    floor, ours = (min(column) for column in zip(*pairs, strict=True))
    return Figure("a library's debug line, dropped (CPU)", ours, floor, "µs", "≤ 0.5", ours <= 0.5)


async def _script_figure() -> Figure:
    code = base64.b64encode(SCRIPT.encode()).decode()
    compiled = compile(SCRIPT, "bench", "exec")
    runs = RUNS // 5

    async def ours_run() -> None:
        await execute(ExecutionRequest(execution_id="x", caller=CALLER, code=code, config={}))

    # Scripts run in worker threads, so the way there and back is part of the floor; it costs twenty times the script.
    async def bare() -> None:
        await asyncio.to_thread(exec, compiled, {})

    await ours_run()
    floor, ours = await _medians_us(bare, ours_run, time.process_time, runs)
    target = "≤ 60 over exec in asyncio.to_thread"
    return Figure("a 30-line script (CPU)", ours, floor, "µs", target, ours - floor <= 60)


def _validation_figure() -> Figure:
    class Bare(TypedDict):
        __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
        a: Annotated[str, Field(max_length=80)]
        b: Annotated[int, Field(ge=0)]
        c: float
        d: bool
        e: list[Any]

    adapter = TypeAdapter(Bare)
    values = {"a": "text", "b": 1, "c": 1.5, "d": True, "e": [1]}
    metadata = get_registry().get_function("five")
    assert metadata is not None

    def timed(run: Callable[[Any], Any]) -> float:
        rounds: list[float] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(RUNS):
                run(values)
            rounds.append((time.perf_counter() - began) / RUNS * 1e6)
        return statistics.median(rounds)

    floor = timed(adapter.validate_python)
    ours = timed(lambda given: plan_of(metadata).validator.validate(given))
    return Figure("5 validated parameters", ours, floor, "µs", "≤ 5 over pydantic", ours - floor <= 5)


async def _memory_figure() -> Figure:
    async def some(count: int) -> None:
        for number in range(count):
            await _call("noop_async" if number % 2 else "noop_def")

    await some(5_000)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    await some(100_000)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (after - before) / 2**20
    return Figure("memory grown over 100,000 runs", grown, 0.0, "MiB", "< 2", grown < 2)
