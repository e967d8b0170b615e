"""`python3 -m dev new NAME`: a workflow and its test, ready to be changed."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
import sys
import unicodedata
from pathlib import Path

from dev.local_settings import local_environment, workspace_folder
from dev.setup import PROJECT

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LONGEST = 63

_WORKFLOW = '''"""What {name} is for."""

from shared.context import ExecutionContext
from shared.decorators import workflow


@workflow(name="{name}", description="Greets a person", execution_mode="sync")
async def {name}(context: ExecutionContext, name: str) -> dict[str, str]:
    context.info("Greeting somebody")
    return {{"greeting": f"Hello, {{name}}!"}}
'''

_TEST = """from {name} import {name}

from shared.testing import run


async def test_{name}_greets_by_name():
    result = await run({name}, name="Ada")
    assert result.status == "Success"
    assert result.result == {{"greeting": "Hello, Ada!"}}


async def test_{name}_needs_a_name():
    result = await run({name})
    assert result.error_type == "ValidationError"
"""


def main(options: argparse.Namespace) -> int:
    """Writes both files, or neither."""
    name: str = options.name
    workspace = workspace_folder(local_environment(os.environ))
    if _NAME.fullmatch(name) is None:
        reason = "is no workflow name: lower-case letters, digits and '_', first a letter, at most 63"
        return _refuse(f"{name!r} {reason}", suggested_name(name, workspace))
    if _is_taken_by_python(name):
        reason = "is a word of Python's own, or a module of it or of this project"
        return _refuse(f"{name!r} {reason}", suggested_name(name, workspace))
    files = {workspace / f"{name}.py": _WORKFLOW, workspace / "_tests" / f"test_{name}.py": _TEST}
    for path in files:
        if path.exists():
            return _refuse(f"{_shown(path)} is there already; nothing was written", suggested_name(name, workspace))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name), encoding="utf-8")
        print(f"Wrote {_shown(path)}")
    print(f"Try: python3 -m dev run {name} name=Ada\nand: python3 -m dev check {_shown(workspace / f'{name}.py')}")
    return 0


def suggested_name(wanted: str, workspace: Path) -> str:
    """The workflow name nearest to what was wanted: `onboard-user` → `onboard_user`, `class` → `class_workflow`."""
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain.removesuffix(".py"))
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"workflow_{name}".rstrip("_")
    name = name[:_LONGEST].rstrip("_")
    if _is_taken_by_python(name):
        name = f"{name[: _LONGEST - len('_workflow')]}_workflow"
    found, number = name, 2
    while (workspace / f"{found}.py").exists() or (workspace / "_tests" / f"test_{found}.py").exists():
        found, number = f"{name[: _LONGEST - len(str(number)) - 1]}_{number}", number + 1
    return found


def _is_taken_by_python(name: str) -> bool:
    return keyword.iskeyword(name) or importlib.util.find_spec(name) is not None


def _shown(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)


def _refuse(reason: str, suggestion: str) -> int:
    print(f"{reason}. Try: python3 -m dev new {suggestion}", file=sys.stderr)
    return 1
