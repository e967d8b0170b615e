"""Telemetry: a span for each run of user code where the settings ask for it, and nothing, at no cost, where not.

Nothing of OpenTelemetry is imported here: an app that does not use it need not have it installed.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import SettingsError
from shared.settings.environment import Settings
from shared.telemetry.spans import ExecutionSpan, Kind, Telemetry

__all__ = ["Kind", "continue_trace", "execution_span", "start_telemetry", "use_telemetry"]


class _NoSpan(ExecutionSpan):
    def __enter__(self) -> ExecutionSpan:
        return self

    def __exit__(self, *_: object) -> None: ...

    def end(self, *, status: str, error_type: str | None) -> None: ...


_NO_SPAN = _NoSpan()
_telemetry: Telemetry | None = None


def start_telemetry(settings: Settings) -> None:
    """Begins to export spans and log records, when the settings name a destination; called once, when the app starts.

    Raises:
        SettingsError: a package that this takes is not installed. The platform's worker, asked for OpenTelemetry,
            leaves its log to the app, so that an app which went on without would be silent.
    """
    if not settings.telemetry_targets:
        return
    try:
        from shared.telemetry.export import export_telemetry

        use_telemetry(export_telemetry(settings))
    except ImportError as error:
        raise SettingsError(
            f"PYTHON_ENABLE_OPENTELEMETRY is true, but the package of {error.name} is not installed: "
            "add the line -r requirements-telemetry.txt to requirements.txt and deploy again, or remove the setting"
        ) from error


def use_telemetry(telemetry: Telemetry | None) -> None:
    """Takes spans to `telemetry` from now on; None ends that."""
    global _telemetry
    _telemetry = telemetry


def execution_span(
    *, name: str, kind: Kind, scope: str, execution_id: str, attempt: int, trigger: str
) -> ExecutionSpan:
    """The span of a run that is about to begin; enter it before user code is called.

    Args:
        name: the function's name, or the script's display name.
        kind: what it is run as.
        scope: the organization's id, or `GLOBAL`.
        execution_id: the run's id.
        attempt: 1 at the first try.
        trigger: what made it run.
    """
    if _telemetry is None:
        return _NO_SPAN
    return _telemetry.span(
        # Names group: those of scripts are whatever an administrator has typed.
        kind if kind == "script" else f"{kind} {name}",
        {
            "workflow.name": name,
            "workflow.kind": kind,
            "workflow.scope": scope,
            "workflow.execution_id": execution_id,
            "workflow.attempt": attempt,
            "workflow.trigger": trigger,
        },
    )


def continue_trace(headers: Mapping[str, str]) -> None:
    """Makes the current task part of the trace that a request's `traceparent` names.

    Args:
        headers: the request's, names in lower case.
    """
    if _telemetry is not None:
        _telemetry.continue_trace(headers)
