"""Whatever lies in workspace/, the platform's own tests see the shipped examples alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.commands.test import checks
from dev.examples import SHIPPED, copy_examples
from dev.setup import PROJECT

HOSTILE = {
    "does_not_parse.py": "def f(:\n",
    "blocks.py": "import threading\nthreading.Event().wait()\n",
    "ends.py": "import os\nos._exit(3)\n",
    # They would stand in for modules of Python, of a dependency, of the project.
    "json.py": "raise RuntimeError('not the real json')\n",
    "aiohttp.py": "raise RuntimeError('not the real aiohttp')\n",
    "pytest.py": "raise RuntimeError('not the real pytest')\n",
    "shared/__init__.py": "raise RuntimeError('not the real shared')\n",
    "sitecustomize.py": "raise RuntimeError('nothing for Python to begin with')\n",
    "conftest.py": "raise RuntimeError('no conftest of the platform')\n",
    "lints_badly.py": "import os,sys\nfrom os import *\nif 1 == os: print( 'a' );x = lambda: 0\n",
    "examples/lints_badly.py": "import os\n",
    "examples/second_hello.py": (
        "from shared.decorators import workflow\n\n\n@workflow(name='hello')\ndef hello() -> str:\n    return 'mine'\n"
    ),
    "stock.py": (
        "from shared.decorators import workflow\n\n\n"
        "@workflow(name='stock', endpoint_enabled=True)\ndef stock(sku: str) -> int:\n    return 1\n"
    ),
    "_tests/conftest.py": "raise RuntimeError('no conftest of the platform')\n",
    "_tests/test_fails.py": "def test_fails():\n    assert False\n",
    "_tests/test_examples_too.py": "import nothing_of_this_name\n",
    "ruff.toml": "line-length = 20\n",
    "pytest.ini": "[pytest]\naddopts = --no-such-option\n",
    "pyrightconfig.json": "{",
}

# What is no part of the project as it is handed on.
MADE_HERE = {".git", ".venv", "node_modules", ".dev", ".azurite", ".hypothesis", "workspace", "local.settings.json"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's files with the hostile ones in its workspace."""
    folder = tmp_path / "clone"
    folder.mkdir()
    left_out = shutil.ignore_patterns("__pycache__", "node_modules")
    for path in PROJECT.iterdir():
        if path.name in MADE_HERE or path.name.endswith("_cache"):
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=left_out)
        else:
            shutil.copy2(path, folder / path.name)
    for installed in (".venv", "node_modules"):
        (folder / installed).symlink_to(PROJECT / installed)
    copy_examples(folder / "workspace")
    for name, text in HOSTILE.items():
        path = folder / "workspace" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def run_in(clone: Path, *command: str, seconds: float = 110) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "WORKSPACE_PATH"}
    return subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, timeout=seconds, check=False)


def test_lint_and_a_test_that_reads_the_workspace_pass_beside_a_hostile_one(clone: Path):
    commands = checks(sys.executable, "node", PROJECT)
    for name in ("lint", "format", "layers"):
        done = run_in(clone, *commands[name])
        assert done.returncode == 0, done.stdout + done.stderr
    # Without the plugins that take seconds to load, and that this test does not need.
    plugins = [f"-pno:{name}" for name in ("schemathesis", "xdist", "pytest_cov", "cacheprovider")]
    test = "tests/unit/dev/test_cli.py::test_run_prints_the_result_and_needs_no_node"
    done = run_in(clone, sys.executable, "-m", "pytest", "-q", *plugins, test)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_all_of_dev_test_passes_beside_a_hostile_workspace(clone: Path):
    for command in (["init", "-q"], ["add", "-A", "-f", "--", ".", ":!.venv", ":!node_modules"]):
        subprocess.run(["git", *command], cwd=clone, check=True)
    done = run_in(clone, sys.executable, "-m", "dev", "test", seconds=3500)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]


def test_all_that_is_shipped_is_there_and_named_once():
    assert len(set(SHIPPED)) == len(SHIPPED)
    assert [name for name in SHIPPED if not (PROJECT / "workspace" / name).is_file()] == []
