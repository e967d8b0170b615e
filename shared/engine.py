"""The engine: the only place where a user's function is called or a script is run, for every way in.

`prepare` resolves and validates, `run` runs what was prepared, and `execute` is both in one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from dataclasses import dataclass, replace
from typing import Any, cast

from shared.configuration.values import equip
from shared.context import EndpointResponse, ExecutionContext, masked_response, notes_of
from shared.data_providers.cache import get_provider_cache
from shared.data_providers.cache_key import question_of
from shared.data_providers.options import options_of
from shared.errors import FunctionNotFoundError, InvalidInputError, PlatformError, ProviderFailedError
from shared.execution_request import ExecutionRequest, ExecutionResult
from shared.logs.buffer import LogBuffer
from shared.logs.capture import capture_into
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.parameters.plans import CallPlan, plan_of
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, Use, get_registry
from shared.runtime.calls import Outcome
from shared.runtime.failures import describe_failure, message_of, user_line_of
from shared.runtime.watch import run_in_thread, run_on_loop
from shared.scripts import DEFAULT_SCRIPT_NAME, Script, ScriptRun, check_script_parameters, compile_script
from shared.serialization import to_json
from shared.settings.environment import DATA_PROVIDER_LIMIT_SECONDS, get_settings
from shared.telemetry import Kind, execution_span

__all__ = [
    "ExecutionRequest",
    "ExecutionResult",
    "PreparedExecution",
    "execute",
    "prepare",
    "refused",
    "resolve",
    "run",
]

logger = logging.getLogger(__name__)

SCRIPT_RESULT = {"status": "completed", "message": "Script executed successfully"}
SCRIPT_TIMEOUT_SECONDS = 300.0


@dataclass(slots=True, kw_only=True)
class PreparedExecution:
    """A request whose function was found and whose parameters are valid."""

    request: ExecutionRequest
    metadata: FunctionMetadata | None = None
    plan: CallPlan | None = None
    script: Script | None = None
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """The function's name, or the script's display name."""
        return self.metadata.name if self.metadata else self.request.name or DEFAULT_SCRIPT_NAME

    @property
    def kind(self) -> Kind:
        """What is run, and as what."""
        return "script" if self.script is not None else "data_provider" if self.is_for_options else "workflow"

    @property
    def is_for_options(self) -> bool:
        """Whether a function is asked for options, as a data provider."""
        if self.metadata is None or self.request.use is not None:
            return self.request.use == DATA_PROVIDER
        return self.metadata.has_tag(DATA_PROVIDER) and not self.metadata.has_tag(WORKFLOW)

    @property
    def time_limit_seconds(self) -> float:
        """How long the run may take."""
        own = self.metadata.timeout_seconds if self.metadata else SCRIPT_TIMEOUT_SECONDS
        if self.is_for_options:
            own = min(own, DATA_PROVIDER_LIMIT_SECONDS)
        limit = self.request.time_limit_seconds
        return own if limit is None else min(own, limit)


async def execute(request: ExecutionRequest) -> ExecutionResult:
    """Runs a function or a script.

    Returns:
        What it came to, whatever user code did; invalid parameters and scripts that don't compile come back as Failed.

    Raises:
        ValueError: the request has neither code nor a name.
        FunctionNotFoundError: no function of this name has the tag asked for.
    """
    try:
        prepared = prepare(request)
    except InvalidInputError as error:
        return refused(request, error)
    return await run(prepared)


def refused(request: ExecutionRequest, error: PlatformError) -> ExecutionResult:
    """The result of a request that was not run because of `error`."""
    return ExecutionResult(
        execution_id=request.execution_id,
        status=ExecutionStatus.FAILED,
        error_message=error.message,
        error_type=error.code,
        error_details=dict(error.details) if error.details is not None else None,
    )


def resolve(name: str, use: Use | None) -> FunctionMetadata:
    """The function of this name, if it has the tag.

    Raises:
        FunctionNotFoundError: there is none.
    """
    metadata = get_registry().get_function(name)
    if metadata is None or (use is not None and not metadata.has_tag(use)):
        kind = "data provider" if use == DATA_PROVIDER else "workflow" if use == WORKFLOW else "function"
        raise FunctionNotFoundError(f"There is no {kind} named {name!r}")
    return metadata


def prepare(request: ExecutionRequest) -> PreparedExecution:
    """Finds what is to run and validates its input.

    Raises:
        ValueError: the request has neither code nor a name.
        FunctionNotFoundError: no function of this name has the tag asked for.
        InvalidInputError: parameters are wrong, each of them named, or the script does not compile.
    """
    if request.code is not None:
        script = compile_script(request.code, request.name or DEFAULT_SCRIPT_NAME)
        check_script_parameters(request.parameters)
        return PreparedExecution(request=request, script=script, parameters=dict(request.parameters))
    if not request.name:
        raise ValueError("an execution needs code or the name of a function")
    metadata = resolve(request.name, request.use)
    plan = plan_of(metadata)
    parameters = plan.validator.validate(request.parameters)
    return PreparedExecution(request=request, metadata=metadata, plan=plan, parameters=parameters)


async def run(prepared: PreparedExecution) -> ExecutionResult:
    """Runs what was prepared and captures all of it; raises nothing of what user code does.

    A data provider whose answer is at hand is not run.
    """
    request = prepared.request
    if prepared.metadata is not None and prepared.is_for_options and not request.transient:
        question = question_of(prepared.metadata, request, prepared.parameters)
        if question is not None:
            cache = get_provider_cache()
            result = await cache.answer(question, lambda: _run(prepared), no_cache=request.no_cache)
            return replace(result, execution_id=request.execution_id)
    return await _run(prepared)


async def _run(prepared: PreparedExecution) -> ExecutionResult:
    request = prepared.request
    await equip(request)
    logs = request.logs or LogBuffer()
    logs.mask = request.mask
    context = ExecutionContext(
        caller=request.caller,
        execution_id=request.execution_id,
        organization=request.organization,
        is_platform_admin=request.is_platform_admin,
        is_function_key=request.is_function_key,
        attempt=request.attempt,
        request=request.http,
        config=request.config,
        logs=logs,
        stop=request.stop,
        resolve_secret=request.resolve_secret,
        service_loop=asyncio.get_running_loop() if request.resolve_secret else None,
    )
    if request.on_context is not None:
        request.on_context(context)
    call = _Call(prepared, context)
    with execution_span(
        name=prepared.name,
        kind=prepared.kind,
        scope=request.organization.id if request.organization else GLOBAL_SCOPE,
        execution_id=request.execution_id,
        attempt=request.attempt,
        trigger=request.trigger,
    ) as span:
        started = time.perf_counter()
        outcome = await call.run(logs)
        duration_ms = (time.perf_counter() - started) * 1000
        logs.close()
        result = _result_of(prepared, outcome)
        span.end(status=result.status, error_type=result.error_type)
    notes = notes_of(context)
    result.duration_ms = round(duration_ms, 3)
    result.logs = logs.entries()
    result.state_snapshots = notes.state_snapshots
    result.integration_calls = notes.integration_calls
    result.progress = notes.progress
    result.caller_was_read = notes.caller_was_read
    return result


@dataclass(slots=True)
class _Returned:
    """User code came to its end; `result` is JSON already."""

    result: Any
    response: EndpointResponse | None = None
    variables: dict[str, Any] | None = None


@dataclass(slots=True)
class _Raised:
    """User code raised."""

    error_type: str
    message: str
    details: dict[str, Any]
    variables: dict[str, Any] | None = None


class _Call:
    """One call of user code. Its values are read where it runs: their methods are user code too, and may block."""

    def __init__(self, prepared: PreparedExecution, context: ExecutionContext) -> None:
        self._prepared = prepared
        self._context = context
        self._mask = prepared.request.mask
        self._script_run: ScriptRun | None = None

    async def run(self, logs: LogBuffer) -> Outcome:
        prepared = self._prepared
        context = capture_into(logs)
        limit, stop = prepared.time_limit_seconds, prepared.request.stop
        if prepared.plan is None:
            assert prepared.script is not None
            self._script_run = ScriptRun(prepared.script, self._context, prepared.parameters)
            return await run_in_thread(self._call_in_thread, context, limit, stop)
        if prepared.plan.is_async:

            def on_blocked(line: str) -> None:
                message = f"{prepared.name} blocks its event loop at {line}"
                logger.warning("%s; new runs go to another loop", message, extra=_log_fields(prepared))
                logs.add("warning", message, "engine")

            return await run_on_loop(self._call_on_loop, context, limit, stop, on_blocked)
        return await run_in_thread(self._call_in_thread, context, limit, stop)

    def _start(self) -> Any:
        if self._script_run is not None:
            return self._script_run.start()
        metadata, plan = self._prepared.metadata, self._prepared.plan
        assert metadata is not None
        assert plan is not None
        if plan.takes_context:
            return metadata.function(self._context, **self._prepared.parameters)
        return metadata.function(**self._prepared.parameters)

    def _call_in_thread(self) -> Any:
        try:
            value = self._start()
            if inspect.isawaitable(value):
                return self._finish_awaitable(value)
            return self._returned(value)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    async def _call_on_loop(self) -> Any:
        return await self._finish_awaitable(None)

    async def _finish_awaitable(self, awaitable: Any) -> Any:
        try:
            return self._returned(await (awaitable if awaitable is not None else self._start()))
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    def _returned(self, value: Any) -> _Returned | _Raised:
        if self._script_run is not None:
            notes = notes_of(self._context)
            result = self._json(notes.result) if notes.has_result else dict(SCRIPT_RESULT)
            return _Returned(result, variables=self._variables())
        if self._prepared.is_for_options and not _says_it_failed(value):
            try:
                return _Returned(self._mask.json(options_of(value)))
            except ProviderFailedError as error:
                message = f"The data provider {self._prepared.name!r} gave no options: {error.message}"
                return _Raised(error.code, message, {})
        if isinstance(value, EndpointResponse):
            response = masked_response(value, self._mask)
            return _Returned({"statusCode": value.status_code, "body": self._json(value.body)}, response=response)
        return _Returned(self._json(value))

    def _raised(self, error: BaseException) -> _Returned | _Raised:
        if self._script_run is not None and isinstance(error, SystemExit) and error.code in (None, 0):
            return self._returned(None)
        # The frames of the engine's own are cut off by where their files lie.
        failure = describe_failure(error, self._mask, with_locals=get_settings().failure_locals)
        details: dict[str, Any] = {"failure": failure}
        line = user_line_of(error)
        if line is not None:
            details["where"] = line
        return _Raised(type(error).__name__, self._mask.text(message_of(error)), details, self._variables())

    def _variables(self) -> dict[str, Any] | None:
        return self._mask.json(self._script_run.variables()) if self._script_run is not None else None

    def _json(self, value: Any) -> Any:
        return self._mask.json(to_json(value))


def _result_of(prepared: PreparedExecution, outcome: Outcome) -> ExecutionResult:
    result = ExecutionResult(execution_id=prepared.request.execution_id, status=ExecutionStatus.SUCCESS)
    end = outcome.value
    stopped_in_time = outcome.ending == "cancelled" and isinstance(end, _Returned)
    if outcome.ending in ("timeout", "cancelled") and not stopped_in_time:
        _describe_stop(result, prepared, outcome)
        if isinstance(end, (_Returned, _Raised)):
            result.variables = end.variables
    elif isinstance(end, _Returned):
        result.result = end.result
        result.response = end.response
        result.variables = end.variables
        if _says_it_failed(end.result):
            result.status = ExecutionStatus.COMPLETED_WITH_ERRORS
            result.error_message = str(end.result.get("error") or "The workflow reported that it did not succeed")
    elif isinstance(end, _Raised):
        result.status = ExecutionStatus.FAILED
        result.error_type = end.error_type
        result.error_message = end.message
        result.error_details = end.details
        result.variables = end.variables
    else:
        # Even telling what happened failed: there was no memory for it, say.
        assert outcome.error is not None
        result.status = ExecutionStatus.FAILED
        result.error_type = type(outcome.error).__name__
        result.error_message = message_of(outcome.error)
    return result


def _log_fields(prepared: PreparedExecution) -> dict[str, Any]:
    request = prepared.request
    return {
        "execution_id": request.execution_id,
        "workflow": prepared.name,
        "scope": request.organization.id if request.organization else GLOBAL_SCOPE,
        "attempt": request.attempt,
    }


def _says_it_failed(value: Any) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("success") is False


def _describe_stop(result: ExecutionResult, prepared: PreparedExecution, outcome: Outcome) -> None:
    details: dict[str, Any] = {}
    if outcome.where is not None:
        details["where"] = outcome.where
    if outcome.abandoned:
        details["abandoned"] = True
    result.error_details = details or None
    if outcome.ending == "timeout":
        result.status = ExecutionStatus.TIMEOUT
        result.error_type = "Timeout"
        result.error_message = f"{prepared.name} was stopped after {prepared.time_limit_seconds:g} s, its time limit"
    else:
        result.status = ExecutionStatus.CANCELLED
        result.error_type = "Cancelled"
        result.error_message = f"{prepared.name} was stopped because its end was asked for"
