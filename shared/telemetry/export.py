"""Spans and log records by the OpenTelemetry SDK. Imported only where telemetry is asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Token

from opentelemetry import _logs as logs_api
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as EXPORTING  # pyright: ignore[reportPrivateUsage]
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.models.executions import ExecutionStatus
from shared.settings.environment import Settings, TelemetryTarget
from shared.telemetry.spans import ExecutionSpan, Telemetry

# A worker is ended without a word (azure-functions-host issue 12007): what waits longer than this is lost with it.
EXPORT_EVERY_MS = 1_000
_FAILURES = {ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT, ExecutionStatus.COMPLETED_WITH_ERRORS}
_SDK_LOGGERS = "opentelemetry"
_PLATFORM_LOGGERS = ("shared", "functions")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What the platform's records say of a run has the names that it has in the run's span.
_SPAN_ATTRIBUTES = {
    "workflow": "workflow.name",
    "scope": "workflow.scope",
    "execution_id": "workflow.execution_id",
    "attempt": "workflow.attempt",
    "status": "workflow.status",
    "error_type": "error.type",
}
_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


def export_telemetry(settings: Settings) -> Telemetry:
    """Sets the process up to export to the destinations of the settings: spans, and what the root logger gets.

    Sampling is the SDK's (`OTEL_TRACES_SAMPLER`): by default what the caller's trace says, and all that have none.

    Raises:
        ImportError: the exporter for a destination is not installed.
    """
    resource = Resource.create({"service.name": settings.service_name})
    spans, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    for target in settings.telemetry_targets:
        span_exporter, log_exporter = _exporters(target)
        spans.add_span_processor(BatchSpanProcessor(span_exporter, schedule_delay_millis=EXPORT_EVERY_MS))
        logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter, schedule_delay_millis=EXPORT_EVERY_MS))
    # Workflows that make spans of their own get them into the same traces.
    trace.set_tracer_provider(spans)
    logs_api.set_logger_provider(logs)
    logging.getLogger().addHandler(LogExport(logs))
    return SpanTelemetry(spans)


def _exporters(target: TelemetryTarget) -> tuple[SpanExporter, LogRecordExporter]:
    if target == "otlp":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(), OTLPLogExporter()
    from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorTraceExporter

    # Log lines are not to lie about on the worker's disk.
    return AzureMonitorTraceExporter(disable_offline_storage=True), AzureMonitorLogExporter(
        disable_offline_storage=True
    )


class SpanTelemetry(Telemetry):
    """Makes the spans.

    Args:
        provider: where they go.
    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("workflow-platform")
        self._propagator = TraceContextTextMapPropagator()

    def span(self, name: str, attributes: Mapping[str, str | int]) -> ExecutionSpan:
        return _Span(self._tracer.start_span(name, attributes=attributes))

    def continue_trace(self, headers: Mapping[str, str]) -> None:
        if not trace.get_current_span().get_span_context().is_valid:
            context_api.attach(self._propagator.extract(headers))


class _Span(ExecutionSpan):
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    def __enter__(self) -> ExecutionSpan:
        self._token = context_api.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._token is not None
        context_api.detach(self._token)
        if kind is not None:
            self._fail(kind.__name__)
        self._span.end()

    def end(self, *, status: str, error_type: str | None) -> None:
        self._span.set_attribute("workflow.status", status)
        if status in _FAILURES:
            self._fail(error_type or status)

    def _fail(self, error_type: str) -> None:
        # The type alone: messages may hold parameters and secrets.
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR, error_type)


class LogExport(logging.Handler):
    """Exports what the process logs: text, level, logger, and of an exception type and traceback.

    Fields that `extra` added come along from the platform's own loggers only: what authors add may be anything.
    Records belong to the span of the run that wrote them.

    Args:
        provider: where they go.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        # What exporting itself logs would be exported next, and so on for ever.
        if record.name.startswith(_SDK_LOGGERS) or context_api.get_value(EXPORTING):
            return
        try:
            attributes = _platform_fields(record)
            # A run's record comes with its traceback as text, from which secrets are taken out.
            traceback = record.exc_text
            if record.exc_info and record.exc_info[0] is not None:
                attributes["exception.type"] = record.exc_info[0].__name__
                traceback = traceback or logging.Formatter().formatException(record.exc_info)
            if traceback:
                attributes["exception.stacktrace"] = traceback
            self._provider.get_logger(record.name).emit(
                timestamp=int(record.created * 1e9),
                severity_number=_severity(record.levelno),
                severity_text=record.levelname,
                body=record.getMessage(),
                attributes=attributes,
            )
        except Exception:  # noqa: BLE001 - arguments' own __str__ may raise anything, and who logs must not be broken
            self.handleError(record)


def _platform_fields(record: logging.LogRecord) -> dict[str, str | int | float]:
    if record.name.partition(".")[0] not in _PLATFORM_LOGGERS:
        return {}
    return {
        _SPAN_ATTRIBUTES.get(name, name): value
        for name, value in record.__dict__.items()
        if name not in _STANDARD_FIELDS and isinstance(value, (str, int, float))
    }


def _severity(level: int) -> SeverityNumber:
    return next((severity for bound, severity in _SEVERITIES if level >= bound), SeverityNumber.DEBUG)
