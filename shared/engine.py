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
from typing import Any

from shared.configuration.values import Configuration
from shared.context import ExecutionContext, RunAccess, RunConfiguration, collected_by
from shared.data_providers.cache import ProviderCache
from shared.data_providers.cache_key import cache_key
from shared.data_providers.options import options_of
from shared.errors import FunctionNotFoundError, InvalidInputError, ProviderFailedError
from shared.execution_request import ExecutionRequest, RunControl, note_left_out
from shared.forms.uploaded_files import FileStore, GivenFiles
from shared.logs.capture import capture_into
from shared.logs.masking import SecretMask
from shared.models.executions import ExecutionStatus
from shared.models.results import EndpointResponse, ExecutionResult, Kind, reported_error, result_type
from shared.parameters.validation import CallPlan, plan_of
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, Use, get_registry
from shared.runtime.calls import Outcome
from shared.runtime.endings import refusal, result_of
from shared.runtime.failures import bounded_message, failure_of, status_of
from shared.runtime.loops import HOME
from shared.runtime.modules import MODULE_SET
from shared.runtime.responses import take_response
from shared.runtime.unawaited import remember_origins
from shared.runtime.watch import run_in_thread, run_on_loop
from shared.scripts import DEFAULT_SCRIPT_NAME, Script, ScriptRun, check_script_parameters, compile_script
from shared.serialization import result_to_json
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
    "resolve",
]

logger = logging.getLogger(__name__)

SCRIPT_RESULT = {"status": "completed", "message": "Script executed successfully"}
SCRIPT_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedExecution:
    """A request whose function was found and whose parameters are valid.

    Attributes:
        request: what was asked for.
        name: the function's name, or the script's display name.
        kind: what is run, and as what.
        parameters: as they were validated.
        limit_seconds: how long the run may take, by what the function says and what it is run as.
        secrets: the values of parameters that are not to be shown.
        metadata, plan: of the function; None for a script.
        script: None for a function.
    """

    request: ExecutionRequest
    name: str
    kind: Kind
    parameters: dict[str, Any]
    limit_seconds: float
    secrets: frozenset[str] = frozenset()
    metadata: FunctionMetadata | None = None
    plan: CallPlan | None = None
    script: Script | None = None

    @property
    def log_extra(self) -> dict[str, Any]:
        """What a line of the app's log says of the run."""
        given = self.request
        ids = {"execution_id": given.execution_id, "workflow": self.name}
        return {**ids, "scope": given.scope, "attempt": given.attempt}


def resolve(name: str, use: Use | None) -> FunctionMetadata:
    """The function of this name, if it has the tag.

    Raises:
        FunctionNotFoundError: there is none.
    """
    metadata = get_registry().get_function(name)
    if metadata is None or metadata.function is None or (use is not None and use not in metadata.tags):
        raise FunctionNotFoundError(get_registry().why_missing(name, use))
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
    parameters = plan.validator.validate(request.parameters)
    return PreparedExecution(
        request=request,
        name=metadata.name,
        kind=use,
        parameters=parameters,
        secrets=request.secrets | plan.secrets_in(parameters),
        limit_seconds=min(limit, DATA_PROVIDER_LIMIT_SECONDS) if use == DATA_PROVIDER else limit,
        metadata=metadata,
        plan=plan,
    )


class Engine:
    """Runs functions and scripts.

    Args:
        configuration: what runs find configured; None for an app without storage.
        cache: answers of data providers that can be given again.
        files: where uploaded files lie; None for an app without storage.
    """

    def __init__(
        self, configuration: Configuration | None, cache: ProviderCache, files: FileStore | None = None
    ) -> None:
        self._configuration = configuration
        self._files = files
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
            return refusal(request.execution_id, error)
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
        if prepared.secrets:
            configuration = replace(configuration, mask=SecretMask(prepared.secrets, configuration.mask))
        logs.mask = configuration.mask
        note_left_out(request, logs)
        read_file = control.read_file or GivenFiles(request.files, self._files).read
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
            _run=RunAccess(configuration, logs, control.stop, asyncio.get_running_loop(), read_file),
        )
        limit = prepared.limit_seconds
        if control.limit_seconds is not None:
            limit = min(limit, control.limit_seconds)
        call = _Call(prepared, context, control)
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
    prepared, metadata, logs = call.prepared, call.prepared.metadata, control.logs
    context: Context = capture_into(logs, metadata.function if metadata is not None else None)
    modules = metadata.derived.get(MODULE_SET) if metadata is not None else None
    if modules is not None:
        # While files change the run goes on seeing the modules that its function belongs to.
        modules.seen_in(context)
    if prepared.plan is None or not prepared.plan.is_async:
        return await run_in_thread(call.in_thread, context, limit, control.stop)

    def on_blocked(line: str) -> None:
        message = f"{prepared.name} blocks its event loop at {line}; the file's other runs wait for it"
        logger.warning(message, extra=prepared.log_extra)
        logs.add("warning", f"{message}: use def, or await asyncio.to_thread(...) for what blocks", "engine")

    home = metadata.derived.get(HOME) or metadata.function.__module__ if metadata is not None else ""
    return await run_on_loop(call.on_loop, home, context, limit, control.stop, on_blocked)


class _Call:
    """One call of user code, whose end is told where it runs: the methods of its values are user code too, and may
    block.
    """

    def __init__(self, prepared: PreparedExecution, context: ExecutionContext, control: RunControl) -> None:
        self.prepared = prepared
        self._context = context
        self._logs = control.logs
        self._on_error = control.on_error
        self._mask = control.logs.mask
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
        remember_origins()
        if self._script_run is not None:
            return self._script_run.start()
        metadata, plan = self.prepared.metadata, self.prepared.plan
        assert metadata is not None
        assert metadata.function is not None
        assert plan is not None
        first, named = plan.context_arguments(self._context)
        return metadata.function(*first, **named, **self.prepared.parameters)

    async def _await(self, awaitable: Any) -> ExecutionResult:
        try:
            return self._returned(await awaitable)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its result
            return self._raised(error)

    def _returned(self, value: Any) -> ExecutionResult:
        if self._script_run is not None:
            collected = collected_by(self._context)
            return self._succeeded(self._json(collected.result) if collected.has_result else dict(SCRIPT_RESULT))
        if self.prepared.kind == DATA_PROVIDER and reported_error(value) is None:
            try:
                return self._succeeded(self._mask.json(options_of(value)))
            except ProviderFailedError as error:
                message = f"The data provider {self.prepared.name!r} gave no options: {error.message}"
                return self._failed(error.code, message, {})
        if isinstance(value, EndpointResponse):
            return self._succeeded(*take_response(value, self._logs))
        return self._succeeded(self._json(value))

    def _succeeded(self, value: Any, response: EndpointResponse | None = None) -> ExecutionResult:
        error = reported_error(value)
        return ExecutionResult(
            execution_id=self.prepared.request.execution_id,
            status=ExecutionStatus.SUCCESS if error is None else ExecutionStatus.COMPLETED_WITH_ERRORS,
            result=value,
            result_type=result_type(value) if value is not None else None,
            error_message=None if error is None else bounded_message(error),
            response=response,
            variables=self._variables(),
        )

    def _raised(self, error: BaseException) -> ExecutionResult:
        if self._script_run is not None and isinstance(error, SystemExit) and error.code in (None, 0):
            return self._returned(None)
        if self._on_error is not None:
            self._on_error(error)
        failure = failure_of(error, self._mask, with_locals=get_settings().failure_locals)
        return self._failed(failure.error_type, failure.message, failure.details, status_of(error))

    def _failed(self, kind: str, message: str, details: dict[str, Any], status: int | None = None) -> ExecutionResult:
        return ExecutionResult(
            execution_id=self.prepared.request.execution_id,
            status=ExecutionStatus.FAILED,
            error_type=kind,
            error_message=bounded_message(message),
            error_details=details,
            error_status_code=status,
            variables=self._variables(),
        )

    def _variables(self) -> dict[str, Any] | None:
        return self._mask.json(self._script_run.variables()) if self._script_run is not None else None

    def _json(self, value: Any) -> Any:
        return self._mask.json(result_to_json(value))
