"""Inline scripts: decoded, compiled, run in a namespace of their own, and their variables brought back."""

from __future__ import annotations

import base64
import linecache
import sys
from typing import Any

import pytest

from shared.engine import execute
from shared.scripts import MAX_CACHED_SCRIPTS, compile_script
from tests.unit.conftest import Execute, messages, request


def encoded(source: str) -> str:
    return base64.b64encode(source.encode()).decode()


async def test_a_script_has_the_context_and_its_parameters_as_globals(run_script: Execute):
    result = await run_script("total = a + len(names)\ncontext.info('ran')", a=1, names=["x", "y"])
    assert result.status == "Success"
    assert result.result == {"status": "completed", "message": "Script executed successfully"}
    assert result.variables == {"total": 3}
    assert messages(result) == ["ran"]


async def test_set_result_gives_the_script_a_result(run_script: Execute):
    assert (await run_script("context.set_result(1)\ncontext.set_result({'a': (1, 2)})")).result == {"a": [1, 2]}
    assert (await run_script("context.set_result(None)")).result is None


async def test_top_level_await_works(run_script: Execute):
    result = await run_script("import asyncio\nx = await asyncio.sleep(0, 'slept')\n[y async for y in some()]\n")
    assert result.error_type == "NameError"
    result = await run_script("import asyncio\nx = await asyncio.sleep(0, 'slept')")
    assert result.variables == {"x": "slept"}


async def test_variables_are_neither_modules_nor_callables_nor_unchanged_parameters(run_script: Execute):
    result = await run_script(
        """
        import json
        from datetime import date
        def helper(): pass
        __hidden = 1
        _shown = 2
        changed += 1
        grown.append(2)
        day = date(2026, 1, 2)
        """,
        same=[1],
        changed=1,
        grown=[1],
    )
    assert result.variables == {"_shown": 2, "changed": 2, "grown": [1, 2], "day": "2026-01-02"}


async def test_variables_come_back_also_when_the_script_fails(run_script: Execute):
    result = await run_script("x = 1\n\n1 / 0\n")
    assert (result.status, result.error_type) == ("Failed", "ZeroDivisionError")
    assert result.variables == {"x": 1}
    assert result.error_details is not None
    assert ":3 in <module>" in result.error_details["where"]
    (exception,) = result.error_details["failure"]["exceptions"]
    assert exception["frames"][-1]["source"]["3"] == "1 / 0"


async def test_each_run_has_a_namespace_of_its_own(run_script: Execute):
    await run_script("import builtins\nleft_over = 1")
    assert (await run_script("context.set_result('left_over' in globals())")).result is False


async def test_a_script_is_the_main_module_and_has_a_file(run_script: Execute):
    result = await run_script("if __name__ == '__main__':\n    context.set_result(__file__)")
    assert result.result.startswith("<script ")


async def test_a_script_that_asks_for_input_is_told_that_there_is_none(run_script: Execute):
    assert (await run_script("input('name? ')")).error_type == "EOFError"


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("sys.exit()", "Success"),
        ("sys.exit(0)", "Success"),
        ("sys.exit(3)", "Failed"),
        ("sys.exit('no')", "Failed"),
    ],
)
async def test_sys_exit_ends_the_script_and_nothing_else(run_script: Execute, statement: str, status: str):
    result = await run_script(f"import sys\nx = 1\n{statement}\nx = 2")
    assert (result.status, result.variables) == (status, {"x": 1})
    assert result.error_type == (None if status == "Success" else "SystemExit")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("not base64!", "script_base64", "no base64"),
        ("YWJ", "script_base64", "no base64"),
        (base64.b64encode(b"x = '\xff'").decode(), "script_utf8", "no UTF-8: byte 5"),
        (encoded("x = 1\ny = (\n"), "script_syntax", "(line 2)"),
        (encoded("x = 1\n\0"), "script_syntax", ""),
        (encoded("return 1"), "script_syntax", "(line 1)"),
        (encoded("(" * 1000), "script_syntax", ""),
    ],
)
async def test_code_that_is_none_comes_back_as_failed_and_says_why(code: str, kind: str, message: str):
    result = await execute(request(code=code))
    assert (result.status, result.error_type) == ("Failed", "ValidationError")
    assert result.error_details is not None
    (error,) = result.error_details["errors"]
    assert (error["type"], error["loc"][0]) == (kind, "code")
    assert message in error["msg"]


@pytest.mark.parametrize("name", ["context", "__builtins__", "__name__"])
async def test_parameters_that_would_replace_what_a_script_stands_on_are_refused(name: str):
    result = await execute(request(code=encoded("x = 1"), parameters={name: {}}))
    assert result.error_details is not None
    assert result.error_details["errors"][0]["loc"] == [name]


def test_the_same_code_is_compiled_once_and_the_cache_is_bounded():
    code = encoded("x = 'once'")
    assert compile_script(code, "a") is compile_script(code, "a")
    first = compile_script(code, "a")
    for number in range(MAX_CACHED_SCRIPTS):
        compile_script(encoded(f"x = {number}"), "b")
    assert compile_script(code, "a") is not first


def test_the_script_used_longest_ago_is_evicted_and_the_lines_of_scripts_go_with_them():
    often, once = encoded("often = 1"), encoded("once = 1")
    kept, evicted = compile_script(often, "lines"), compile_script(once, "lines")
    assert linecache.getlines(evicted.filename) == ["once = 1"]
    for number in range(MAX_CACHED_SCRIPTS - 1):
        compile_script(encoded(f"x = {number}"), "lines")
        assert compile_script(often, "lines") is kept
    assert linecache.getlines(kept.filename) == ["often = 1"]
    assert linecache.getlines(evicted.filename) == []
    assert sum(name.startswith("<lines ") for name in linecache.cache) == MAX_CACHED_SCRIPTS


async def test_a_script_name_is_what_tracebacks_show():
    result = await execute(request(code=encoded("boom()"), name="Monthly report.py"))
    assert result.error_details is not None
    assert result.error_details["where"].startswith("<Monthly report.py ")


async def test_a_script_can_define_and_use_classes_functions_and_comprehensions(run_script: Execute):
    source = """
    from dataclasses import dataclass

    @dataclass
    class Point:
        x: int

    def double(point):
        return Point(point.x * factor)

    points = [double(Point(n)) for n in range(3)]
    """
    result = await run_script(source, factor=2)
    assert result.variables == {"points": [{"x": 0}, {"x": 2}, {"x": 4}]}


async def test_the_real_main_module_is_left_alone(run_script: Execute):
    before: Any = sys.modules["__main__"]
    await run_script("marker = 1")
    assert sys.modules["__main__"] is before
    assert not hasattr(before, "marker")
