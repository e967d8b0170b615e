"""`python3 -m dev check`: the author's own files alone, with file, line and reason."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from dev.commands import check
from dev.setup import PROJECT

FILES = {
    "good.py": (
        "from shared.decorators import workflow\n\n\n"
        "@workflow(name='good')\ndef good(a: int = 1) -> int:\n    return a\n"
    ),
    "team/billing/deep.py": "import good\n\nassert good\n",
    "broken.py": "x = 1\ndef f(:\n",
    "needs.py": "x = 1\nimport a_package_of_nobody\n",
    "_tests/test_good.py": (
        "from good import good\nfrom shared.testing import run\n\n\n"
        "async def test_good():\n    assert (await run(good)).result == 1\n\n\n"
        "def test_fails():\n    assert good(2) == 3\n"
    ),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "mine"


def dev_check(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dev", "check", *arguments],
        cwd=PROJECT,
        env={**os.environ, "WORKSPACE_PATH": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_names_what_can_not_be_loaded_and_what_fails(workspace: Path):
    done = dev_check(workspace)
    assert done.returncode == 1
    first, second, loaded, *tests = done.stdout.splitlines()
    assert first == f"{workspace}/broken.py:2: SyntaxError: invalid syntax"
    assert second.startswith(f"{workspace}/needs.py:2: ModuleNotFoundError: No module named 'a_package_of_nobody'")
    assert "requirements.txt in the workspace folder" in second
    assert loaded == "1 workflow and 0 data providers loaded, 2 errors"
    assert tests[-1].startswith("1 failed, 1 passed in ")
    assert any("test_good.py:10: AssertionError" in line for line in tests)


def test_check_of_one_folder_says_nothing_of_the_others(workspace: Path):
    done = dev_check(workspace, str(workspace / "team"))
    assert (done.returncode, done.stdout) == (0, "1 workflow and 0 data providers loaded\nNo tests found\n")


def test_a_path_that_is_not_there_is_said(workspace: Path):
    done = dev_check(workspace, "workspace/nothing.py")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "There is no file or folder workspace/nothing.py\n")


def test_the_tests_of_a_file_or_folder_are_found(tmp_path: Path):
    for name in ("a.py", "_tests/test_a.py", "team/b.py", "team/_tests/test_b.py", ".hidden/_tests/test_c.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def found(chosen: str | None) -> list[str]:
        path = None if chosen is None else tmp_path / chosen
        return [test.relative_to(tmp_path).as_posix() for test in check.test_paths(tmp_path, path)]

    assert found(None) == ["_tests", "team/_tests"]
    assert found("a.py") == ["_tests/test_a.py"]
    assert found("team/b.py") == ["team/_tests/test_b.py"]
    assert found("team") == ["team/_tests"]
    assert found("team/_tests") == ["team/_tests"]
    assert found("_tests/test_a.py") == ["_tests/test_a.py"]


def test_an_import_that_hangs_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "hangs.py").write_text("import the_gate\nthe_gate.opened.wait(30)\n")
    gate = types.ModuleType("the_gate")
    gate.opened = threading.Event()  # pyright: ignore[reportAttributeAccessIssue]
    said: list[str] = []

    def told(text: str, **_: object) -> None:
        said.append(text)
        gate.opened.set()

    monkeypatch.setitem(sys.modules, "the_gate", gate)
    monkeypatch.setattr(check, "SLOW_IMPORT_SECONDS", 0.01)
    monkeypatch.setattr(check, "print", told, raising=False)
    spec = importlib.util.spec_from_file_location("hangs", tmp_path / "hangs.py")
    assert spec is not None
    assert spec.loader is not None
    with check.naming_slow_imports(tmp_path):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert said[0] == f"{tmp_path}/hangs.py:2: still being imported"
