"""Requests become results: what the engine resolves, validates, runs and captures."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest

from shared.context import Caller, EndpointResponse, ExecutionContext, HttpRequestInfo, Organization
from shared.engine import ExecutionRequest, RunControl, execute, resolve
from shared.errors import FunctionNotFoundError, UserError
from shared.models.executions import ExecutionStatus
from shared.registry import FunctionMetadata, FunctionRegistry
from tests.unit.conftest import Execute, messages, request


async def test_async_and_plain_functions_return_their_result(run_function: Execute):
    async def asynchronous(a: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"sum": a + 1}

    def plain(a: int) -> dict[str, Any]:
        return {"sum": a + 1}

    for function in (asynchronous, plain):
        result = await run_function(function, a="2")
        assert (result.status, result.result) == (ExecutionStatus.SUCCESS, {"sum": 3})
        assert result.duration_ms >= 0
        assert (result.error_type, result.error_message, result.error_details) == (None, None, None)


async def test_a_plain_function_that_returns_a_coroutine_is_run_to_its_end(run_function: Execute):
    async def inner() -> str:
        await asyncio.sleep(0)
        return "done"

    assert (await run_function(lambda: inner())).result == "done"


async def test_the_context_is_passed_by_annotation_or_by_name_and_else_left_out(run_function: Execute):
    def annotated(ctx: ExecutionContext, a: int) -> Any:
        return [ctx.execution_id, a]

    def named(context, a: int) -> Any:  # type: ignore[no-untyped-def]
        return [context.execution_id, a]

    def without(a: int) -> Any:
        return ["none", a]

    assert (await run_function(annotated, a=1)).result == ["test", 1]
    assert (await run_function(named, a=1)).result == ["test", 1]
    assert (await run_function(without, a=1)).result == ["none", 1]


async def test_the_context_knows_the_run_and_its_caller(run_function: Execute):
    def tell(context: ExecutionContext) -> Any:
        return {
            "user": [context.user_id, context.email, context.name],
            "scope": [context.scope, context.org_id, context.org_name, context.is_global_scope],
            "flags": [context.is_platform_admin, context.is_function_key, context.attempt, context.cancelled],
            "config": [context.get_config("a"), context.get_config("b", 2), context.has_config("a")],
            "request": context.request.method if context.request else None,
        }

    result = await run_function(
        tell,
        organization=Organization("org-1", "One"),
        is_platform_admin=True,
        attempt=3,
        config={"a": 1},
        http=HttpRequestInfo("GET"),
    )
    assert result.result == {
        "user": ["u1", "u1@example.com", "U One"],
        "scope": ["org-1", "org-1", "One", False],
        "flags": [True, False, 3, False],
        "config": [1, 2, True],
        "request": "GET",
    }
    alone = (await run_function(tell)).result
    assert alone["scope"] == ["GLOBAL", None, None, True]


async def test_what_the_context_is_told_comes_back(run_function: Execute):
    def work(context: ExecutionContext) -> None:
        state = {"step": 1}
        context.save_checkpoint("first", state)
        state["step"] = 2
        context.track_integration_call("crm", "GET", "/people", 200, 12.5)
        context.report_progress(0.5, "half")
        context.report_progress(7, "beyond")
        context.info("told", number=Decimal("1.5"))

    result = await run_function(work)
    assert [(snapshot["name"], snapshot["data"]) for snapshot in result.state_snapshots] == [("first", {"step": 1})]
    (call,) = result.integration_calls
    assert (call["integration"], call["status"], call["durationMs"], call["error"]) == ("crm", 200, 12.5, None)
    assert result.progress is not None
    assert (result.progress["fraction"], result.progress["message"]) == (1.0, "beyond")
    warning, line = result.logs
    assert (warning["level"], "a fraction from 0 to 1, not 7" in warning["message"]) == ("warning", True)
    assert (line["level"], line["source"], line["data"]) == ("info", "context", {"number": "1.5"})


async def test_what_a_function_raises_is_its_result(run_function: Execute):
    class OwnError(Exception):
        pass

    async def fails() -> None:
        raise OwnError("because")

    result = await run_function(fails)
    assert (result.status, result.error_type, result.error_message) == ("Failed", "OwnError", "because")
    assert result.error_details is not None
    assert "test_engine.py" in result.error_details["where"]


async def test_a_user_error_is_a_message_for_the_caller(run_function: Execute):
    def refuse() -> None:
        raise UserError("Choose another day")

    result = await run_function(refuse)
    assert (result.status, result.error_type, result.error_message) == ("Failed", "UserError", "Choose another day")


@pytest.mark.parametrize(("extra", "message"), [({"error": "two failed"}, "two failed"), ({}, "did not succeed")])
async def test_success_false_ends_as_completed_with_errors(run_function: Execute, extra: dict[str, Any], message: str):
    result = await run_function(lambda: {"success": False, **extra})
    assert result.status == ExecutionStatus.COMPLETED_WITH_ERRORS
    assert message in (result.error_message or "")
    assert result.result == {"success": False, **extra}


@pytest.mark.parametrize("value", [{"success": True}, {"success": None}, {"success": 0}, [False], False, None, ""])
async def test_other_results_are_a_success(run_function: Execute, value: Any):
    assert (await run_function(lambda: value)).status == ExecutionStatus.SUCCESS


async def test_an_endpoint_response_is_the_answer_and_its_body_and_code_are_the_result(run_function: Execute):
    answer = EndpointResponse({"ok": Decimal(1)}, status_code=418, headers={"X-Tea": "yes"})
    result = await run_function(lambda: answer)
    assert result.response == EndpointResponse({"ok": "1"}, status_code=418, headers={"X-Tea": "yes"})
    assert result.result == {"statusCode": 418, "body": {"ok": "1"}}


class OutOfStockError(UserError):
    status_code = 409


class TeapotError(UserError):
    status_code = 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("no"), 400),
        (UserError("no", status_code=404), 404),
        (UserError("no", 499), 499),
        (OutOfStockError("none left"), 409),
        (TeapotError("odd"), 400),
        (ValueError("no"), None),
    ],
)
async def test_a_user_errors_status_is_kept_with_the_result(
    run_function: Execute, error: Exception, status: int | None
):
    def fails() -> None:
        raise error

    result = await run_function(fails)
    assert (result.status, result.error_status_code, result.is_user_error) == ("Failed", status, status is not None)


@pytest.mark.parametrize("status", [200, 399, 500, True, "404"])
def test_a_user_error_has_a_status_of_the_callers_mistakes_only(status: Any):
    with pytest.raises(ValueError, match="from 400 to 499"):
        UserError("no", status_code=status)


async def test_an_input_named_like_the_context_is_an_unknown_parameter(run_function: Execute):
    def takes_anything(ctx: ExecutionContext, **rest: Any) -> Any:
        return rest

    assert (await run_function(takes_anything, other=1)).result == {"other": 1}
    assert (await run_function(takes_anything, ctx=1)).error_type == "ValidationError"


async def test_invalid_parameters_come_back_as_failed_with_each_of_them_named(run_function: Execute):
    called: list[int] = []

    def typed(a: int, b: int) -> None:
        called.append(a)

    result = await run_function(typed, a="x", c=1)
    assert (result.status, result.error_type) == ("Failed", "ValidationError")
    assert result.error_details is not None
    assert sorted(error["loc"][0] for error in result.error_details["errors"]) == ["a", "b", "c"]
    assert called == []


async def test_neither_code_nor_name_is_a_value_error():
    with pytest.raises(ValueError, match="needs code or the name"):
        await execute(request())


async def test_an_unknown_name_is_a_function_not_found_error():
    with pytest.raises(FunctionNotFoundError, match="no workflow named 'nobody'"):
        await execute(request(name="nobody", use="workflow"))
    with pytest.raises(ValueError, match="nobody"):
        await execute(request(name="nobody"))


def test_a_function_without_the_tag_asked_for_is_not_found(registry: FunctionRegistry):
    metadata = FunctionMetadata(name="options", function=list, tags=["data_provider"])
    registry.register_function(metadata)
    assert resolve("options", None) is resolve("options", "data_provider") is metadata
    with pytest.raises(FunctionNotFoundError, match="no workflow"):
        resolve("options", "workflow")


async def test_the_shorter_limit_counts(registry: FunctionRegistry):
    async def sleeps() -> None:
        await asyncio.sleep(30)

    for own, other in ((0.05, 20.0), (20.0, 0.05), (0.05, None)):
        metadata = FunctionMetadata(name="f", function=sleeps, timeout_seconds=own)
        registry.clear_all()
        registry.register_function(metadata)
        result = await execute(request(name="f"), RunControl(limit_seconds=other))
        assert result.error_message == "f was stopped after 0.05 s, its time limit"


async def test_a_request_of_the_required_fields_alone_is_enough(registry: FunctionRegistry):
    registry.register_function(FunctionMetadata(name="f", function=lambda: 1))
    result = await execute(ExecutionRequest(execution_id="x", caller=Caller("u"), name="f"))
    assert (result.execution_id, result.result, result.cached, result.stale) == ("x", 1, False, False)


async def test_user_code_never_runs_on_the_loop_or_thread_that_serves(run_function: Execute):
    async def asynchronous() -> Any:
        return [threading.get_ident(), id(asyncio.get_running_loop())]

    here, loop = threading.get_ident(), id(asyncio.get_running_loop())
    thread, other_loop = (await run_function(asynchronous)).result
    assert thread != here
    assert other_loop != loop
    assert (await run_function(threading.get_ident)).result != here


async def test_secrets_are_resolved_on_the_loop_that_serves(run_function: Execute):
    loops: list[asyncio.AbstractEventLoop] = []

    async def resolve_secret(key: str) -> str:
        loops.append(asyncio.get_running_loop())
        return f"the secret {key}"

    async def reads(context: ExecutionContext) -> str:
        return await context.get_secret("api")

    assert (await run_function(reads, resolve_secret=resolve_secret)).result == "the secret api"
    assert loops == [asyncio.get_running_loop()]
    missing = await run_function(reads)
    assert (missing.error_type, missing.error_message) == ("ConfigurationError", "no secret named 'api' is configured")


async def test_a_failure_that_can_not_even_be_described_is_a_result(run_function: Execute):
    class EvilError(Exception):
        @property
        def __cause__(self) -> Any:  # type: ignore[override]
            raise ZeroDivisionError("no cause for you")

    def fails() -> None:
        raise EvilError

    result = await run_function(fails)
    assert (result.status, result.error_type, result.error_message) == (
        "Failed",
        "ZeroDivisionError",
        "no cause for you",
    )


async def test_whoever_watches_a_run_gets_its_context_before_it_begins(run_function: Execute):
    control = RunControl()

    def work(context: ExecutionContext) -> bool:
        return control.context is context

    assert (await run_function(work, control=control)).result is True


async def test_one_run_does_not_see_the_logs_of_another(run_function: Execute):
    started = threading.Barrier(2)

    def talk(who: str) -> None:
        started.wait(10)
        for number in range(100):
            print(who, number)

    first, second = await asyncio.gather(run_function(talk, who="a"), run_function(talk, who="b"))
    assert messages(first) == [f"a {number}" for number in range(100)]
    assert messages(second) == [f"b {number}" for number in range(100)]


async def test_who_wants_to_hears_of_what_user_code_raised(run_function: Execute):
    heard: list[BaseException] = []

    def fails() -> None:
        raise ValueError("so it is")

    result = await run_function(fails, control=RunControl(on_error=heard.append))
    assert (result.status, result.error_message) == ("Failed", "so it is")
    assert [str(error) for error in heard] == ["so it is"]
