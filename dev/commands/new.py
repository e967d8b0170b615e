"""`python3 -m dev new NAME`: a workflow and its test, ready to be changed."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import re
import sys
from pathlib import Path

from dev.setup import PROJECT

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

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
    if _NAME.fullmatch(name) is None:
        return _refuse(f"{name!r} is no workflow name: lower-case letters, digits and '_', first a letter, at most 63")
    if keyword.iskeyword(name) or importlib.util.find_spec(name) is not None:
        return _refuse(f"{name!r} is a word of Python's own, or a module of it or of this project; choose another name")
    workspace = PROJECT / "workspace"
    files = {workspace / f"{name}.py": _WORKFLOW, workspace / "_tests" / f"test_{name}.py": _TEST}
    for path in files:
        if path.exists():
            return _refuse(f"{_shown(path)} is there already; nothing was written")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name), encoding="utf-8")
        print(f"Wrote {_shown(path)}")
    print(f"Try: python3 -m dev run {name} name=Ada\nand: python3 -m dev test workspace/_tests/test_{name}.py")
    return 0


def _shown(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
