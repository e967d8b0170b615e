"""What a run leaves in a trace: the real SDK, and exporters that keep what they get."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.context import Caller, Organization, RunConfiguration
from shared.engine import ExecutionRequest, RunControl, execute
from shared.logs.masking import MASK, SecretMask
from shared.models.executions import ExecutionStatus
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, FunctionRegistry, get_registry, staging
from shared.repositories.executions.ended import log_end
from shared.telemetry import continue_trace, use_telemetry
from shared.telemetry.export import LogExport, SpanTelemetry
from tests.support.executions import new_record, success

CALLER_TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = {"traceparent": f"00-{CALLER_TRACE}-b7ad6b7169203331-01"}
SECRET = "hunter2-the-secret"

logger = logging.getLogger("orders")


def greet(name: str) -> dict[str, str]:
    logger.warning("greeting")
    with trace.get_tracer("theirs").start_as_current_span("their own"):
        return {"greeting": name}


async def countries() -> list[str]:
    logger.warning("countries")
    return ["de"]


def fails(name: str) -> None:
    raise KeyError(name)


def reports(name: str) -> dict[str, object]:
    return {"success": False, "error": name}


def leaks(name: str) -> None:
    try:
        raise ValueError(name)
    except ValueError:
        logger.exception("%s", name)


async def sleeps() -> None:
    await asyncio.sleep(30)


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """Set up once: a process has one tracer provider for good, which workflows ask for by the API.

    Not once a module: in random order, on several workers, its tests need not run in one go.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(autouse=True)
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    functions = [(greet, WORKFLOW), (countries, DATA_PROVIDER), (fails, WORKFLOW), (reports, WORKFLOW)]
    with staging(FunctionRegistry()) as registry:
        for function, tag in [*functions, (leaks, WORKFLOW), (sleeps, WORKFLOW)]:
            registry.register_function(
                FunctionMetadata(name=function.__name__, function=function, tags=[tag], timeout_seconds=30)
            )
        use_telemetry(SpanTelemetry(trace.get_tracer_provider()))
        exporter.clear()
        yield exporter
        use_telemetry(None)


@pytest.fixture
def records() -> Iterator[InMemoryLogRecordExporter]:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handler = LogExport(provider)
    logging.getLogger().addHandler(handler)
    yield exporter
    logging.getLogger().removeHandler(handler)


def request(name: str = "", **fields: object) -> ExecutionRequest:
    return ExecutionRequest(**{"execution_id": "e1", "caller": Caller("u1"), "name": name, **fields})  # type: ignore[arg-type]


def one(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in spans.get_finished_spans() if span.name == name]
    return found


async def test_a_workflow_a_provider_and_a_script_have_a_span_each(spans: InMemorySpanExporter):
    await execute(request("greet", parameters={"name": SECRET}, attempt=2, trigger="queue"))
    await execute(request("countries", organization=Organization("o1", "One"), transient=True))
    code = base64.b64encode(b"result = 1").decode()
    await execute(request(SECRET, code=code))
    assert dict(one(spans, "workflow greet").attributes or {}) == {
        "workflow.name": "greet",
        "workflow.kind": "workflow",
        "workflow.scope": "GLOBAL",
        "workflow.execution_id": "e1",
        "workflow.attempt": 2,
        "workflow.trigger": "queue",
        "workflow.status": "Success",
    }
    provider, script = one(spans, "data_provider countries").attributes, one(spans, "script").attributes
    assert provider is not None
    assert script is not None
    assert (provider["workflow.scope"], provider["workflow.kind"]) == ("o1", "data_provider")
    assert (script["workflow.kind"], script["workflow.trigger"]) == ("script", "http")


@pytest.mark.parametrize(
    ("name", "error_type"), [("fails", "KeyError"), ("reports", "CompletedWithErrors")], ids=["raised", "reported"]
)
async def test_a_failure_gives_its_type_and_nothing_of_its_text(
    spans: InMemorySpanExporter, name: str, error_type: str
):
    await execute(request(name, parameters={"name": SECRET}))
    span = one(spans, f"workflow {name}")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description == error_type
    assert (span.attributes or {})["error.type"] == error_type
    assert not span.events
    assert SECRET not in span.to_json()


async def test_a_timeout_is_an_error_and_a_run_that_nobody_waits_for_any_more_ends_its_span(
    spans: InMemorySpanExporter,
):
    await execute(request("sleeps"), RunControl(limit_seconds=0.1))
    assert one(spans, "workflow sleeps").status.description == "Timeout"
    spans.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(execute(request("sleeps")), 0.1)
    assert one(spans, "workflow sleeps").status.description == "CancelledError"


async def test_what_a_run_logs_and_its_own_spans_belong_to_its_span(
    spans: InMemorySpanExporter, records: InMemoryLogRecordExporter
):
    # In a worker thread, and on a loop of its own.
    await execute(request("greet", parameters={"name": "Ada"}))
    await execute(request("countries", transient=True))
    logger.warning("outside")
    for text, name in (("greeting", "workflow greet"), ("countries", "data_provider countries")):
        (record,) = [found.log_record for found in records.get_finished_logs() if found.log_record.body == text]
        span = one(spans, name)
        assert span.context is not None
        assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    (outside,) = [found.log_record for found in records.get_finished_logs() if found.log_record.body == "outside"]
    assert not outside.trace_id
    theirs, ours = one(spans, "their own"), one(spans, "workflow greet")
    assert theirs.parent is not None
    assert theirs.parent == ours.context


async def test_an_authors_record_has_its_text_and_an_exceptions_type_and_traceback_and_no_extra_fields(
    records: InMemoryLogRecordExporter,
):
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("it failed for %s", "Ada", extra={"token": SECRET})
    logging.getLogger("opentelemetry.sdk").warning("the queue is full")
    (found,) = records.get_finished_logs()
    record = found.log_record
    assert (record.body, record.severity_text) == ("it failed for Ada", "ERROR")
    attributes = dict(record.attributes or {})
    assert attributes.pop("exception.type") == "ValueError"
    assert "ValueError: broken" in str(attributes.pop("exception.stacktrace"))
    assert not attributes


@pytest.mark.parametrize("name", ["shared.executions.lease", "functions.queue.worker"])
def test_a_record_of_the_platforms_says_of_a_run_what_its_span_says(records: InMemoryLogRecordExporter, name: str):
    run = {"execution_id": "e1", "workflow": "greet", "scope": "o1", "attempt": 2}
    logging.getLogger(name).warning("it is lost", extra={**run, "waited_s": 1.5, "record": object()})
    (found,) = records.get_finished_logs()
    assert dict(found.log_record.attributes or {}) == {
        "workflow.execution_id": "e1",
        "workflow.name": "greet",
        "workflow.scope": "o1",
        "workflow.attempt": 2,
        "waited_s": 1.5,
    }


def test_the_end_of_a_run_is_exported_by_names_and_without_its_message(records: InMemoryLogRecordExporter):
    record = new_record(workflow_name="fails", scope="o1")
    end = success(status=ExecutionStatus.FAILED, error_type="KeyError", error_message=SECRET, duration_ms=12)
    log_end(record.ended(end, "token"))
    (found,) = records.get_finished_logs()
    assert dict(found.log_record.attributes or {}) == {
        "workflow.execution_id": record.execution_id,
        "workflow.name": "fails",
        "workflow.scope": "o1",
        "workflow.attempt": 1,
        "workflow.status": "Failed",
        "error.type": "KeyError",
        "duration_ms": 12,
    }
    assert SECRET not in found.to_json()


def masked() -> RunControl:
    return RunControl(configuration=RunConfiguration(mask=SecretMask([SECRET])))


async def test_a_record_of_the_platforms_within_a_run_keeps_its_fields_and_no_secret(
    records: InMemoryLogRecordExporter,
):
    def warns(name: str) -> None:
        logging.getLogger("shared.context").warning("it said %s", name, extra={"execution_id": "e1", "said": name})

    get_registry().register_function(
        FunctionMetadata(name="warns", function=warns, tags=[WORKFLOW], timeout_seconds=30)
    )
    await execute(request("warns", parameters={"name": SECRET}), masked())
    (found,) = records.get_finished_logs()
    assert dict(found.log_record.attributes or {}) == {"workflow.execution_id": "e1", "said": MASK}


async def test_the_callers_trace_goes_on(spans: InMemorySpanExporter):
    async def called() -> None:
        continue_trace(TRACEPARENT)
        await execute(request("countries", transient=True))

    await asyncio.create_task(called())
    parent = one(spans, "data_provider countries").parent
    assert parent is not None
    assert (f"{parent.trace_id:032x}", f"{parent.span_id:016x}") == (CALLER_TRACE, "b7ad6b7169203331")


async def test_the_platforms_trace_stands_over_the_header_and_a_wrong_header_is_no_trace(spans: InMemorySpanExporter):
    async def called(headers: dict[str, str]) -> None:
        continue_trace(headers)
        await execute(request("countries", transient=True))

    with trace.get_tracer("platform").start_as_current_span("invocation") as invocation:
        await asyncio.create_task(called(TRACEPARENT))
    assert one(spans, "data_provider countries").parent == invocation.get_span_context()
    spans.clear()
    await asyncio.create_task(called({"traceparent": "00-nonsense"}))
    assert one(spans, "data_provider countries").parent is None


async def test_secrets_of_a_run_are_taken_out_of_what_it_logs(records: InMemoryLogRecordExporter):
    await execute(request("leaks", parameters={"name": SECRET}), masked())
    (found,) = records.get_finished_logs()
    assert "ValueError" in str((found.log_record.attributes or {})["exception.stacktrace"])
    assert SECRET not in found.to_json()


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_record_that_can_not_be_formatted_breaks_nobody(capsys: pytest.CaptureFixture[str]):
    provider = LoggerProvider(shutdown_on_exit=False)
    LogExport(provider).handle(logging.makeLogRecord({"name": "orders", "msg": "%s", "args": (Unreadable(),)}))
    assert "Logging error" in capsys.readouterr().err
