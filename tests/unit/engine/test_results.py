"""What a function returns or raises is kept whole within bounds, and what it forgot is said."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pandas
import polars
import pytest
from pydantic import BaseModel, SecretStr

from shared.context import EndpointResponse, ExecutionContext
from shared.models.executions import ExecutionStatus
from shared.runtime.failures import MAX_MESSAGE_BYTES
from tests.unit.conftest import Execute, messages


async def price(of: str) -> int:
    return 5


async def stream() -> Any:
    yield 1


async def test_a_coroutine_that_nobody_awaited_fails_the_run_and_is_named(run_function: Execute):
    async def forgets() -> Any:
        return {"total": [price("tea")]}

    def forgets_too() -> Any:
        return [price("tea")]

    for function in (forgets, forgets_too):
        result = await run_function(function)
        assert (result.status, result.error_type) == (ExecutionStatus.FAILED, "NotAwaitedError")
        line = f"test_results.py:{function.__code__.co_firstlineno + 1} in {function.__name__}"
        assert result.error_message == f"The result holds what nobody awaited: price ({line}); write: await price(…)"
        assert (result.error_details or {})["where"] == line
        assert not any("never awaited" in message for message in messages(result))


async def test_a_task_and_an_async_generator_in_a_result_fail_it_too(run_function: Execute):
    async def task() -> Any:
        return asyncio.ensure_future(price("tea"))

    async def generator() -> Any:
        return {"items": stream()}

    assert "the task of price" in str((await run_function(task)).error_message)
    assert "[item async for item in stream(…)]" in str((await run_function(generator)).error_message)


async def test_iterators_in_a_result_are_lists(run_function: Execute):
    def iterators() -> Any:
        return {
            "generator": (n * 2 for n in range(3)),
            "range": range(2),
            "map": map(str, [1, 2]),
            "views": [{"a": 1}.keys(), {"a": 1}.values(), {"a": 1}.items()],
            "zip": zip([1], [2], strict=True),
        }

    assert (await run_function(iterators)).result == {
        "generator": [0, 2, 4],
        "range": [0, 1],
        "map": ["1", "2"],
        "views": [["a"], [1], [["a", 1]]],
        "zip": [[1, 2]],
    }


async def test_an_endless_iterator_is_read_as_far_as_there_is_room(run_function: Execute):
    result = (await run_function(lambda: ("x" * 100_000 for _ in itertools.count()))).result
    assert 50 < len(result) < 150
    assert result[-1] == "<more items left out>"


async def test_an_iterator_as_an_endpoints_body_is_the_answers_and_the_records(run_function: Execute):
    result = await run_function(lambda: EndpointResponse((n for n in range(2)), 201))
    assert result.result == {"statusCode": 201, "body": [0, 1]}
    assert result.response is not None
    assert (result.response.body, result.response.status_code) == ([0, 1], 201)


async def test_what_an_iterator_in_a_result_raises_fails_the_run(run_function: Execute):
    def rows() -> Any:
        yield 1
        raise ValueError("row 2 is broken")

    result = await run_function(lambda: {"rows": rows()})
    assert (result.error_type, result.error_message) == ("ValueError", "row 2 is broken")


async def test_a_generator_that_is_logged_is_not_used_up(run_function: Execute):
    def logs(context: ExecutionContext) -> Any:
        items = (n for n in range(3))
        context.info("items", items=items)
        context.save_checkpoint("items", items)
        return items

    assert (await run_function(logs)).result == [0, 1, 2]


async def test_data_frames_are_records(run_function: Execute):
    columns = {"name": ["Ada", None], "born": [1815, None]}
    records = [{"name": "Ada", "born": 1815}, {"name": None, "born": None}]
    assert (await run_function(lambda: pandas.DataFrame(columns))).result == records
    assert (await run_function(lambda: {"people": polars.DataFrame(columns)})).result == {"people": records}
    dated = pandas.DataFrame({"when": [pandas.Timestamp("2026-01-02"), pandas.NaT]})
    assert (await run_function(lambda: dated)).result == [{"when": "2026-01-02T00:00:00"}, {"when": None}]
    summed = pandas.DataFrame({"team": ["a", "a"], "n": [1, 2]}).groupby("team").sum()
    assert (await run_function(lambda: summed)).result == [{"team": "a", "n": 3}]
    twice = pandas.DataFrame([[1, 2]], columns=["x", "x"])
    assert (await run_function(lambda: twice)).result == [{"x": 1, "x#2": 2}]
    assert (await run_function(lambda: polars.Series([1, 2]))).result == [1, 2]


async def test_a_data_frame_beyond_the_bound_says_how_many_rows_are_left_out(run_function: Execute):
    frame = pandas.DataFrame({"text": ["x" * 200_000] * 100})
    result = (await run_function(lambda: frame)).result
    assert 40 < len(result) < 60
    assert "left out" in str(result[-1])


@pytest.mark.parametrize("text", ["x" * 20 * 2**20, "ü" * 2**20])
async def test_an_error_text_is_bounded_and_kept_once(run_function: Execute, text: str):
    def raises() -> None:
        raise ValueError(text)

    def reports() -> Any:
        return {"success": False, "error": text}

    for function in (raises, reports):
        result = await run_function(function)
        message = str(result.error_message)
        assert len(json.dumps(message, ensure_ascii=False).encode()) <= MAX_MESSAGE_BYTES + 2
        assert message.endswith(" characters left out>")
        assert len(json.dumps(result.error_details, ensure_ascii=False).encode()) < 10_000


class Login(BaseModel):
    user: str
    password: SecretStr


async def test_a_secret_parameter_is_masked_in_all_that_the_run_leaves(run_function: Execute):
    def function(context: ExecutionContext, token: SecretStr, login: Login) -> Any:
        plain = token.get_secret_value()
        print("token is", plain)
        context.info("with it", token=token, plain=plain, password=login.password.get_secret_value())
        context.save_checkpoint("it", plain)
        if context.attempt > 1:
            raise ValueError(f"no access with {plain}")
        return {"token": token, "plain": plain, "login": login}

    given = {"token": "tok-987654", "login": {"user": "ada", "password": "pass-123456"}}
    result = await run_function(function, **given)
    assert result.result == {
        "token": "**********",
        "plain": "••••",
        "login": {"user": "ada", "password": "**********"},
    }
    failed = await run_function(function, attempt=2, **given)
    assert failed.error_message == "no access with ••••"
    for ended in (result, failed):
        kept = json.dumps([ended.result, ended.logs, ended.state_snapshots, ended.error_message, ended.error_details])
        assert "tok-987654" not in kept
        assert "pass-123456" not in kept
    assert "token is ••••" in messages(result)
    # Another run of the same process has nothing to do with them.
    assert (await run_function(lambda: "tok-987654")).result == "tok-987654"


async def test_progress_out_of_its_bounds_is_said_once_and_fails_nothing(run_function: Execute):
    def function(context: ExecutionContext) -> str:
        for percent in (0, 50, 100):
            context.report_progress(percent)
        return "done"

    result = await run_function(function)
    assert (result.status, result.progress and result.progress["fraction"]) == (ExecutionStatus.SUCCESS, 1.0)
    assert messages(result) == ["report_progress takes a fraction from 0 to 1, not 50; 0.5 is half of it"]
