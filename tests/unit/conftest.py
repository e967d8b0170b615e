"""What the engine's tests share: a registry of their own, and requests with little to say."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from shared.context import Caller, RunConfiguration
from shared.engine import ExecutionRequest, ExecutionResult, RunControl, execute
from shared.registry import FunctionMetadata, FunctionRegistry, staging

Execute = Callable[..., Awaitable[ExecutionResult]]


@pytest.fixture(autouse=True)
def registry() -> Iterator[FunctionRegistry]:
    with staging(FunctionRegistry()) as fresh:
        yield fresh


@pytest.fixture
def run_function(registry: FunctionRegistry) -> Execute:
    """Registers a function and runs it: `await run_function(f, timeout=1, a=1)`."""

    async def run(function: Callable[..., Any], *, timeout: float = 30, **fields: Any) -> ExecutionResult:
        control = _control(fields)
        known = {name: fields.pop(name) for name in list(fields) if name in ExecutionRequest.__dataclass_fields__}
        metadata = FunctionMetadata(name="f", function=function, tags=["workflow"], timeout_seconds=timeout)
        registry.clear_all()
        registry.register_function(metadata)
        return await execute(request(name="f", parameters=fields, **known), control)

    return run


@pytest.fixture
def run_script() -> Execute:
    """Runs a script: `await run_script("x = a", a=1)`."""

    async def run(source: str, *, timeout: float = 30, **parameters: Any) -> ExecutionResult:
        control = _control(parameters)
        control.limit_seconds = timeout
        known = {
            name: parameters.pop(name) for name in list(parameters) if name in ExecutionRequest.__dataclass_fields__
        }
        code = base64.b64encode(textwrap.dedent(source).encode()).decode()
        return await execute(request(code=code, parameters=parameters, **known), control)

    return run


def _control(fields: dict[str, Any]) -> RunControl:
    """What of the fields is the control's; those that are left are not."""
    control = fields.pop("control", RunControl())
    for name in ("stop", "logs"):
        if name in fields:
            setattr(control, name, fields.pop(name))
    configured = {name: fields.pop(name) for name in ("mask", "resolve_secret") if name in fields}
    if configured:
        control.configuration = RunConfiguration(**configured)
    return control


def request(**fields: Any) -> ExecutionRequest:
    return ExecutionRequest(**{"execution_id": "test", "caller": Caller("u1", "u1@example.com", "U One"), **fields})


def messages(result: ExecutionResult, source: str | None = None) -> list[str]:
    """The lines of a run's log, of one source or of all."""
    return [entry["message"] for entry in result.logs if source in (None, entry["source"])]
