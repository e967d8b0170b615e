"""The engine: the only place where a user's function is called or a script is run, for every way in.

`prepare` resolves and validates, `Engine.run` runs what was prepared, and `execute` is both in one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from shared.configuration.values import Configuration
from shared.context import ExecutionContext, RunAccess, RunConfiguration, collected_by, masked_response
from shared.data_providers.cache import ProviderCache
from shared.data_providers.cache_key import cache_key
from shared.data_providers.options import options_of
from shared.errors import FunctionNotFoundError, InvalidInputError, PlatformError, ProviderFailedError
from shared.execution_request import ExecutionRequest, RunControl
from shared.logs.capture import capture_into
from shared.logs.masking import SecretMask
from shared.models.executions import ExecutionStatus
from shared.models.results import EndpointResponse, ExecutionResult, Kind
from shared.parameters.validation import CallPlan, plan_of
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, Use, get_registry
from shared.runtime.calls import Outcome
from shared.runtime.endings import result_of
from shared.runtime.failures import describe_failure, message_of, user_line_of
from shared.runtime.watch import run_in_thread, run_on_loop
from shared.scripts import DEFAULT_SCRIPT_NAME, Script, ScriptRun, check_script_parameters, compile_script
from shared.serialization import result_type, to_json
from shared.settings.environment import DATA_PROVIDER_LIMIT_SECONDS, get_settings
from shared.telemetry import execution_span

__all__ = [
    "Engine",
    "ExecutionRequest",
    "ExecutionResult",
    "PreparedExecution",
    "RunControl",
    "execute",
    "prepare",
    "refused",
    "resolve",
]

logger = logging.getLogger(__name__)

SCRIPT_RESULT = {"status": "completed", "message": "Script executed successfully"}
SCRIPT_TIMEOUT_SECONDS = 300.0
_UNSUCCESSFUL = "The workflow reported that it did not succeed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedExecution:
    """A request whose function was found and whose parameters are valid.

    Attributes:
        request: what was asked for.
        name: the function's name, or the script's display name.
        kind: what is run, and as what.
        parameters: as they were validated.
        limit_seconds: how long the run may take, by what the function says and what it is run as.
        metadata, plan: of the function; None for a script.
        script: None for a function.
    """

    request: ExecutionRequest
    name: str
    kind: Kind
    parameters: dict[str, Any]
    limit_seconds: float
    metadata: FunctionMetadata | None = None
    plan: CallPlan | None = None
    script: Script | None = None

    @property
    def log_extra(self) -> dict[str, Any]:
        """What a line of the app's log says of the run."""
        request = self.request
        return {
            "execution_id": request.execution_id,
            "workflow": self.name,
            "scope": request.scope,
            "attempt": request.attempt,
        }


def resolve(name: str, use: Use | None) -> FunctionMetadata:
    """The function of this name, if it has the tag.

    Raises:
        FunctionNotFoundError: there is none.
    """
    metadata = get_registry().get_function(name)
    if metadata is None or metadata.function is None or (use is not None and use not in metadata.tags):
        kind = "data provider" if use == DATA_PROVIDER else "workflow" if use == WORKFLOW else "function"
        raise FunctionNotFoundError(f"There is no {kind} named {name!r}")
    return metadata


def prepare(request: ExecutionRequest, metadata: FunctionMetadata | None = None) -> PreparedExecution:
    """Finds what is to run and validates its input.

    Args:
        request: what is asked for.
        metadata: the function's, where it has been resolved already.

    Raises:
        ValueError: the request has neither code nor a name.
        FunctionNotFoundError: no function of this name has the tag asked for.
        InvalidInputError: parameters are wrong, each of them named, or the script does not compile.
    """
    if request.code is not None:
        name = request.name or DEFAULT_SCRIPT_NAME
        script = compile_script(request.code, name)
        check_script_parameters(request.parameters)
        return PreparedExecution(
            request=request,
            name=name,
            kind="script",
            parameters=dict(request.parameters),
            limit_seconds=SCRIPT_TIMEOUT_SECONDS,
            script=script,
        )
    if not request.name:
        raise ValueError("an execution needs code or the name of a function")
    metadata = metadata or resolve(request.name, request.use)
    is_only_provider = DATA_PROVIDER in metadata.tags and WORKFLOW not in metadata.tags
    use = request.use or (DATA_PROVIDER if is_only_provider else WORKFLOW)
    limit = metadata.timeout_seconds
    plan = plan_of(metadata)
    return PreparedExecution(
        request=request,
        name=metadata.name,
        kind=use,
        parameters=plan.validator.validate(request.parameters),
        limit_seconds=min(limit, DATA_PROVIDER_LIMIT_SECONDS) if use == DATA_PROVIDER else limit,
        metadata=metadata,
        plan=plan,
    )


def refused(request: ExecutionRequest, error: PlatformError) -> ExecutionResult:
    """The result of a request that was not run because of `error`."""
    return ExecutionResult(
        execution_id=request.execution_id,
        status=ExecutionStatus.FAILED,
        error_message=error.message,
        error_type=error.code,
        error_details=dict(error.details) if error.details is not None else None,
        completed_at=datetime.now(UTC),
    )


class Engine:
    """Runs functions and scripts.

    Args:
        configuration: what runs find configured; None for an app without storage.
        cache: answers of data providers that can be given again.
    """

    def __init__(self, configuration: Configuration | None, cache: ProviderCache) -> None:
        self._configuration = configuration
        self._cache = cache

    async def execute(self, request: ExecutionRequest, control: RunControl | None = None) -> ExecutionResult:
        """Runs a function or a script.

        Args:
            request: what to run.
            control: stops and watches the run; None when nobody does.

        Returns:
            What it came to, whatever user code did; invalid parameters and scripts that don't compile come back as
            Failed.

        Raises:
            ValueError: the request has neither code nor a name.
            FunctionNotFoundError: no function of this name has the tag asked for.
        """
        try:
            prepared = prepare(request)
        except InvalidInputError as error:
            return refused(request, error)
        return await self.run(prepared, control)

    async def run(self, prepared: PreparedExecution, control: RunControl | None = None) -> ExecutionResult:
        """Runs what was prepared and captures all of it; raises nothing of what user code does.

        A data provider whose answer is at hand is not run.
        """
        request, metadata = prepared.request, prepared.metadata
        if prepared.kind == DATA_PROVIDER and metadata is not None and not request.transient:
            key = cache_key(
                metadata,
                scope=request.scope,
                caller=(request.caller.user_id, request.is_platform_admin, request.is_function_key),
                given=request.parameters,
                valid=prepared.parameters,
            )
            if key is not None:
                result = await self._cache.get(
                    key, lambda: self._run(prepared, control or RunControl()), no_cache=request.no_cache
                )
                return replace(result, execution_id=request.execution_id)
        return await self._run(prepared, control or RunControl())

    async def _run(self, prepared: PreparedExecution, control: RunControl) -> ExecutionResult:
        request, logs = prepared.request, control.logs
        configuration = await self._configuration_of(request, control)
        logs.mask = configuration.mask
        context = control.context = ExecutionContext(
            user_id=request.caller.user_id,
            email=request.caller.email,
            name=request.caller.name,
            organization=request.organization,
            execution_id=request.execution_id,
            is_platform_admin=request.is_platform_admin,
            is_function_key=request.is_function_key,
            attempt=request.attempt,
            request=request.http,
            _run=RunAccess(configuration, logs, control.stop, asyncio.get_running_loop()),
        )
        limit = prepared.limit_seconds
        if control.limit_seconds is not None:
            limit = min(limit, control.limit_seconds)
        call = _Call(prepared, context, configuration.mask)
        with execution_span(
            name=prepared.name,
            kind=prepared.kind,
            scope=request.scope,
            execution_id=request.execution_id,
            attempt=request.attempt,
            trigger=request.trigger,
        ) as span:
            started = time.perf_counter()
            outcome = await _start(call, control, limit)
            duration_ms = (time.perf_counter() - started) * 1000
            if outcome.left_tasks:
                found = ", ".join(outcome.left_tasks)
                logs.add("warning", f"{prepared.name} left tasks running, which were ended with it: {found}", "engine")
            logs.close()
            result = result_of(outcome, request.execution_id, prepared.name, limit)
            span.end(status=result.status, error_type=result.error_type)
        collected = collected_by(context)
        return replace(
            result,
            duration_ms=round(duration_ms),
            completed_at=datetime.now(UTC),
            logs=logs.entries(),
            state_snapshots=collected.state_snapshots,
            integration_calls=collected.integration_calls,
            progress=collected.progress,
            caller_was_read=collected.caller_was_read,
        )

    async def _configuration_of(self, request: ExecutionRequest, control: RunControl) -> RunConfiguration:
        if control.configuration is not None:
            return control.configuration
        if request.config is not None or self._configuration is None:
            return RunConfiguration(request.config or {})
        return await self._configuration.of_run(request.scope)


@lru_cache(maxsize=1)
def _engine_without_storage() -> Engine:
    return Engine(None, ProviderCache(None))


async def execute(request: ExecutionRequest, control: RunControl | None = None) -> ExecutionResult:
    """As `Engine.execute`, for a process without storage: nothing is configured but what the request comes with, and
    answers of data providers are cached in memory alone.
    """
    return await _engine_without_storage().execute(request, control)


async def _start(call: _Call, control: RunControl, limit: float) -> Outcome:
    prepared, logs = call.prepared, control.logs
    context: Context = capture_into(logs)
    if prepared.plan is None or not prepared.plan.is_async:
        return await run_in_thread(call.in_thread, context, limit, control.stop)

    def on_blocked(line: str) -> None:
        message = f"{prepared.name} blocks its event loop at {line}; the file's other runs wait for it"
        logger.warning(message, extra=prepared.log_extra)
        logs.add("warning", f"{message}: use def, or await asyncio.to_thread(...) for what blocks", "engine")

    home = getattr(prepared.metadata.function, "__module__", "") if prepared.metadata is not None else ""
    return await run_on_loop(call.on_loop, home, context, limit, control.stop, on_blocked)


class _Call:
    """One call of user code, whose end is told where it runs: the methods of its values are user code too, and may
    block.
    """

    def __init__(self, prepared: PreparedExecution, context: ExecutionContext, mask: SecretMask) -> None:
        self.prepared = prepared
        self._context = context
        self._mask = mask
        script = prepared.script
        self._script_run = ScriptRun(script, context, prepared.parameters) if script is not None else None

    def in_thread(self) -> Any:
        """Its end, or what is to be awaited for it."""
        try:
            value = self._begin()
            return self._await(value) if inspect.isawaitable(value) else self._returned(value)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    async def on_loop(self) -> ExecutionResult:
        """Its end."""
        try:
            return self._returned(await self._begin())
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    def _begin(self) -> Any:
        if self._script_run is not None:
            return self._script_run.start()
        metadata, plan = self.prepared.metadata, self.prepared.plan
        assert metadata is not None
        assert metadata.function is not None
        assert plan is not None
        if plan.takes_context:
            return metadata.function(self._context, **self.prepared.parameters)
        return metadata.function(**self.prepared.parameters)

    async def _await(self, awaitable: Any) -> ExecutionResult:
        try:
            return self._returned(await awaitable)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    def _returned(self, value: Any) -> ExecutionResult:
        if self._script_run is not None:
            collected = collected_by(self._context)
            return self._succeeded(self._json(collected.result) if collected.has_result else dict(SCRIPT_RESULT))
        if self.prepared.kind == DATA_PROVIDER and not _reports_failure(value):
            try:
                return self._succeeded(self._mask.json(options_of(value)))
            except ProviderFailedError as error:
                message = f"The data provider {self.prepared.name!r} gave no options: {error.message}"
                return self._failed(error.code, message, {})
        if isinstance(value, EndpointResponse):
            answer = {"statusCode": value.status_code, "body": self._json(value.body)}
            return self._succeeded(answer, masked_response(value, self._mask))
        return self._succeeded(self._json(value))

    def _succeeded(self, value: Any, response: EndpointResponse | None = None) -> ExecutionResult:
        with_errors = _reports_failure(value)
        return ExecutionResult(
            execution_id=self.prepared.request.execution_id,
            status=ExecutionStatus.COMPLETED_WITH_ERRORS if with_errors else ExecutionStatus.SUCCESS,
            result=value,
            result_type=result_type(value) if value is not None else None,
            error_message=str(cast("dict[str, Any]", value).get("error") or _UNSUCCESSFUL) if with_errors else None,
            response=response,
            variables=self._variables(),
        )

    def _raised(self, error: BaseException) -> ExecutionResult:
        if self._script_run is not None and isinstance(error, SystemExit) and error.code in (None, 0):
            return self._returned(None)
        # The frames of the engine's own are cut off by where their files lie.
        failure = describe_failure(error, self._mask, with_locals=get_settings().failure_locals)
        details: dict[str, Any] = {"failure": failure}
        line = user_line_of(error)
        if line is not None:
            details["where"] = line
        return self._failed(type(error).__name__, self._mask.text(message_of(error)), details)

    def _failed(self, error_type: str, message: str, details: dict[str, Any]) -> ExecutionResult:
        return ExecutionResult(
            execution_id=self.prepared.request.execution_id,
            status=ExecutionStatus.FAILED,
            error_type=error_type,
            error_message=message,
            error_details=details,
            variables=self._variables(),
        )

    def _variables(self) -> dict[str, Any] | None:
        return self._mask.json(self._script_run.variables()) if self._script_run is not None else None

    def _json(self, value: Any) -> Any:
        return self._mask.json(to_json(value))


def _reports_failure(value: Any) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("success") is False
