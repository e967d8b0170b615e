"""What telemetry adds to a run: where it is off, and where it is on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.telemetry import execution_span, use_telemetry
from shared.telemetry.export import SpanTelemetry
from tests.benchmarks.report import Figure

RUNS = 100_000
ROUNDS = 5
# Looking up a member of an enumeration costs more than a span that is none.
_SUCCESS = ExecutionStatus.SUCCESS


class Nowhere(SpanExporter):
    """Takes spans and drops them; a network would be another's figure."""

    def export(self, spans: object) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def figures() -> list[Figure]:
    """Both of them."""
    off, floor = _ns(_traced, RUNS), _ns(_nothing, RUNS)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), schedule_delay_millis=1_000))
    use_telemetry(SpanTelemetry(provider))
    try:
        on = _ns(_traced, RUNS // 20)
    finally:
        use_telemetry(None)
        provider.shutdown()
    return [
        Figure("a run's span, telemetry off", off, floor, "ns", "≤ 500 over a call", off - floor <= 500),
        Figure("a run's span, telemetry on", on / 1000, off / 1000, "µs", "≤ 100", on <= 100_000),
    ]


def _traced() -> None:
    with execution_span(
        name="bench", kind="workflow", scope=GLOBAL_SCOPE, execution_id="x", attempt=1, trigger="http"
    ) as span:
        span.end(status=_SUCCESS, error_type=None)


def _nothing() -> None: ...


def _ns(call: Callable[[], None], runs: int) -> float:
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(runs):
            call()
        rounds.append((time.perf_counter_ns() - began) / runs)
    return statistics.median(rounds)
