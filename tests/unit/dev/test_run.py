"""`python3 -m dev run`: what it takes, and what it shows of a run that failed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.cli import main as dev_main
from dev.commands.run import UsageError, failure_lines, joined, read_input
from dev.setup import PROJECT
from shared.context import ExecutionContext
from shared.testing import run

WORKFLOW = """
from shared.context import ExecutionContext
from shared.decorators import workflow


def look_up(table: dict[str, int], key: str) -> int:
    return table[key]


@workflow(name="orders", execution_mode="sync")
async def orders(context: ExecutionContext, tags: list[str], customer: str, days: int = 1) -> int:
    print(tags, customer, days, context.get_config("retries") + 1, await context.get_secret("api_key"))
    found = 7
    try:
        return look_up({}, "price")
    except KeyError as error:
        raise ValueError("no price") from error
"""


def test_a_failed_run_shows_the_authors_frames_and_leads_into_the_debugger(tmp_path: Path):
    (tmp_path / "orders.py").write_text(WORKFLOW)
    (tmp_path / "input.json").write_text('{"customer": "Ada", "days": 3}')
    arguments = ["orders", "tags=a", "--config", "retries=2", "tags=b", "--secret", "api_key=s3cret-value"]
    done = subprocess.run(
        [sys.executable, "-m", "dev", "run", *arguments, "days=4", "--pdb", "--input", str(tmp_path / "input.json")],
        cwd=PROJECT,
        env={**os.environ, "WORKSPACE_PATH": str(tmp_path)},
        input="p 'found is %d' % found\nq\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    log, ended, *failure = done.stderr.splitlines()
    assert log.endswith("['a', 'b'] Ada 4 3 ••••")
    assert ended.startswith("Failed in ")
    assert failure == [
        "ValueError: no price",
        '  orders.py:17 in orders: raise ValueError("no price") from error',
        "caused by KeyError: 'price'",
        '  orders.py:15 in orders: return look_up({}, "price")',
        "  orders.py:7 in look_up: return table[key]",
    ]
    assert '-> raise ValueError("no price") from error' in done.stdout
    assert "'found is 7'" in done.stdout


def test_a_parameter_that_is_given_again_is_a_list():
    assert joined(["a=1", "tags=x", "tags=y", "tags=z=1", "b="]) == {"a": "1", "tags": ["x", "y", "z=1"], "b": ""}
    with pytest.raises(UsageError, match=r"^'tags' is no parameter: write key=value$"):
        joined(["tags"])


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file or directory"), ("{", "is no JSON: "), ("[1]", "must be a JSON object")]
)
def test_a_file_that_holds_no_parameters_is_named(tmp_path: Path, text: str | None, said: str):
    path = tmp_path / "input.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_input(str(path))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


async def test_every_exception_of_a_group_is_shown_and_all_lines_of_a_message():
    async def several(context: ExecutionContext) -> None:
        raise ExceptionGroup("two of them", [ValueError("one\nmore of it"), KeyError("two")])

    lines = list(failure_lines(await run(several)))
    assert lines[0] == "ExceptionGroup: two of them (2 sub-exceptions)"
    assert lines[2:] == ["  | ValueError: one", "  |   more of it", "  | KeyError: 'two'"]


async def test_a_module_that_is_missing_during_the_run_comes_with_the_hint():
    async def lazy(context: ExecutionContext) -> None:
        import a_package_of_nobody  # pyright: ignore[reportMissingImports]  # noqa: F401

    assert "requirements.txt in the workspace folder" in list(failure_lines(await run(lazy)))[-1]


def test_options_may_stand_anywhere(monkeypatch: pytest.MonkeyPatch):
    seen: list[argparse.Namespace] = []
    monkeypatch.setattr("dev.commands.run.main", lambda options: seen.append(options) or 0)
    assert dev_main(["run", "--pdb", "orders", "a=1", "--config", "x=1", "b=2", "--config", "y=2"]) == 0
    (options,) = seen
    assert (options.name, options.parameters, options.config) == ("orders", ["a=1", "b=2"], ["x=1", "y=2"])
    assert options.pdb
