"""For workflow authors' own tests: runs a function through the real engine, without host and without storage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.context import (
    Caller,
    HttpRequestInfo,
    Organization,
    RunConfiguration,
    SecretReference,
    SecretResolver,
)
from shared.decorators import metadata_of
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, ExecutionResult, RunControl, execute
from shared.errors import ConfigurationError
from shared.forms.uploaded_files import local_file, read_local
from shared.logs.masking import SecretMask
from shared.registry import WORKFLOW, FunctionMetadata, FunctionRegistry, Use, staging
from shared.repositories.ids import new_execution_id

__all__ = ["TEST_CALLER", "local_file", "run", "run_named"]

TEST_CALLER = Caller(user_id="test", email="test@example.com", name="Test")


async def run(
    function: Callable[..., Any],
    /,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    request: HttpRequestInfo | None = None,
    organization: Organization | None = None,
    caller: Caller | None = None,
    **parameters: Any,
) -> ExecutionResult:
    """Runs one function, decorated or not, as a workflow or data provider would run: validated, captured, timed.

    Args:
        function: the function.
        config: what `context.get_config` finds.
        secrets: what `context.get_secret` finds; masked in whatever the run leaves, as in production. A key that is
            only in `config` is found too, and not masked.
        request: `context.request`, as a call of the workflow's endpoint sets it.
        organization: the organization that the run belongs to; left out, the scope is GLOBAL.
        caller: who asked for the run, no administrator; left out, an administrator called Test.
        **parameters: the input, as a caller would send it. A file of this machine is given as `local_file(path)`, which
            is what a workflow gets for an uploaded one; `context.read_file` takes plain paths, too. A parameter of the
            function's own that is called like one of the arguments above takes what is given by that name.

    Returns:
        status, result, logs, error_message and all else that the run came to. Nothing of what the function raises is
        raised.

    Raises:
        TypeError: one of the arguments above is of another type.
    """
    metadata = metadata_of(function) or FunctionMetadata(name=function.__name__, function=function, tags=[WORKFLOW])
    surroundings: dict[str, Any] = {
        "config": config,
        "secrets": secrets,
        "request": request,
        "organization": organization,
        "caller": caller,
    }
    for name in _parameter_names(function, metadata) & surroundings.keys():
        if (value := surroundings.pop(name)) is not None:
            parameters[name] = value
    registry = FunctionRegistry()
    registry.register_function(metadata)
    with staging(registry):
        return await _execute(metadata.name, None, parameters, **_checked(surroundings))


async def run_named(
    name: str,
    parameters: Mapping[str, Any],
    use: Use | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    on_error: Callable[[BaseException], None] | None = None,
) -> ExecutionResult:
    """Runs the workspace's function of this name; values may be text, as on a command line.

    Args:
        name: the function's name.
        parameters: the input.
        use: the tag that the function must have; None for any.
        config, secrets: as in `run`.
        on_error: gets what the function raised, with its traceback, in the thread that it was raised in.

    Raises:
        FunctionNotFoundError: there is no such function.
    """
    await ensure_loaded()
    return await _execute(name, use, parameters, config=config, secrets=secrets, on_error=on_error)


_KINDS: dict[str, tuple[type, str]] = {
    "config": (Mapping, "a mapping"),
    "secrets": (Mapping, "a mapping"),
    "request": (HttpRequestInfo, "a shared.context.HttpRequestInfo"),
    "organization": (Organization, "a shared.context.Organization"),
    "caller": (Caller, "a shared.context.Caller"),
}


def _checked(surroundings: dict[str, Any]) -> dict[str, Any]:
    for name, value in surroundings.items():
        kind, described = _KINDS[name]
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{name} must be {described}, not {type(value).__name__}: the function has no such parameter"
            )
    return surroundings


def _parameter_names(function: Callable[..., Any], metadata: FunctionMetadata) -> set[str]:
    named = {parameter.name for parameter in metadata.parameters}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    in_signature = inspect.signature(function).parameters.values()
    return named | {parameter.name for parameter in in_signature if parameter.kind in kinds}


def _resolver(config: Mapping[str, Any], secrets: Mapping[str, str]) -> SecretResolver:
    async def resolve_secret(key: str) -> str:
        if key in secrets:
            return secrets[key]
        if key not in config:
            raise ConfigurationError(f"The secret {key!r} is not configured")
        return str(config[key])

    return resolve_secret


async def _execute(
    name: str,
    use: Use | None,
    parameters: Mapping[str, Any],
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    request: HttpRequestInfo | None = None,
    organization: Organization | None = None,
    caller: Caller | None = None,
    on_error: Callable[[BaseException], None] | None = None,
) -> ExecutionResult:
    config, secrets = config or {}, secrets or {}
    execution = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=caller or TEST_CALLER,
        organization=organization,
        name=name,
        parameters=parameters,
        transient=True,
        is_platform_admin=caller is None,
        use=use,
        http=request,
    )
    configuration = RunConfiguration(
        {**config, **{key: SecretReference(f"env:{key}") for key in secrets}},
        SecretMask(secrets.values()),
        _resolver(config, secrets),
    )
    return await execute(execution, RunControl(configuration=configuration, read_file=read_local, on_error=on_error))
