"""For workflow authors' own tests: runs a function through the real engine, without host and without storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.context import Caller, RunConfiguration, SecretResolver
from shared.decorators import metadata_of
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, ExecutionResult, RunControl, execute
from shared.errors import ConfigurationError
from shared.registry import WORKFLOW, FunctionMetadata, FunctionRegistry, Use, staging
from shared.repositories.ids import new_execution_id
from shared.uploaded_files import local_file, read_local

__all__ = ["TEST_CALLER", "local_file", "run", "run_named"]

TEST_CALLER = Caller(user_id="test", email="test@example.com", name="Test")


async def run(
    function: Callable[..., Any], config: Mapping[str, Any] | None = None, /, **parameters: Any
) -> ExecutionResult:
    """Runs one function, decorated or not, as a workflow or data provider would run: validated, captured, timed.

    Args:
        function: the function.
        config: what `context.get_config` finds, and `context.get_secret`.
        **parameters: the input, as a caller would send it. A file of this machine is given as `local_file(path)`, which
            is what a workflow gets for an uploaded one; `context.read_file` takes plain paths, too.

    Returns:
        status, result, logs, error_message and all else that the run came to. Nothing of what the function raises is
        raised.
    """
    metadata = metadata_of(function) or FunctionMetadata(name=function.__name__, function=function, tags=[WORKFLOW])
    registry = FunctionRegistry()
    registry.register_function(metadata)
    with staging(registry):
        return await _execute(metadata.name, None, config or {}, parameters)


async def run_named(name: str, parameters: Mapping[str, Any], use: Use | None = None) -> ExecutionResult:
    """Runs the workspace's function of this name; values may be text, as on a command line.

    Raises:
        FunctionNotFoundError: there is no such function.
    """
    await ensure_loaded()
    return await _execute(name, use, {}, parameters)


def _resolver(config: Mapping[str, Any]) -> SecretResolver:
    async def resolve(key: str) -> str:
        if key not in config:
            raise ConfigurationError(f"The secret {key!r} is not configured")
        return str(config[key])

    return resolve


async def _execute(
    name: str, use: Use | None, config: Mapping[str, Any], parameters: Mapping[str, Any]
) -> ExecutionResult:
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=TEST_CALLER,
        name=name,
        parameters=parameters,
        transient=True,
        is_platform_admin=True,
        use=use,
    )
    configuration = RunConfiguration(config, resolve_secret=_resolver(config))
    return await execute(request, RunControl(configuration=configuration, read_file=read_local))
