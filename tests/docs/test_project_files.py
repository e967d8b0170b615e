"""The files that other tools read, GitHub, pre-commit and editors, say what the project itself does."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from dev.commands.test import checks
from dev.setup import NODE_NEEDED
from tests.support.documentation import CONTRIBUTING, ROOT, blocks, read

PYPROJECT = tomllib.loads(read(ROOT / "pyproject.toml"))


def read_yaml(*path: str) -> Any:
    return yaml.safe_load(read(ROOT.joinpath(*path)))


def test_pre_commit_runs_the_checks_of_dev_test_and_fetches_nothing():
    config = read_yaml(".pre-commit-config.yaml")
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    commands = {hook["id"]: shlex.split(hook["entry"]) for hook in hooks}
    assert commands == checks(".venv/bin/python", "node", Path())
    assert {hook["language"] for hook in hooks} == {"system"}
    # Each of them reads its files from pyproject.toml.
    assert {hook["pass_filenames"] for hook in hooks} == {False}


def test_the_programs_of_the_hooks_are_there():
    for _, *arguments in checks(sys.executable, "node", ROOT).values():
        for word in arguments:
            assert not word.endswith(".js") or Path(word).is_file()
        for module in re.findall(r"^(?:-m|-c from) (\w+)", " ".join(arguments)):
            assert importlib.util.find_spec(module) is not None


def test_githubs_workflow_runs_what_ci_runs_with_every_python_that_is_promised():
    workflow = read_yaml(".github", "workflows", "ci.yml")
    (job,) = workflow["jobs"].values()
    (command,) = (step["run"] for step in job["steps"] if "run" in step)
    assert command == "bash .ci/run"
    assert "python3 -m dev test" in read(ROOT / ".ci" / "run")
    versions = job["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == PYPROJECT["project"]["requires-python"]
    for version in versions:
        assert version in read(CONTRIBUTING)
    given = {name: value for step in job["steps"] for name, value in step.get("with", {}).items()}
    assert given["node-version"] == str(NODE_NEEDED)
    assert given["python-version"] == "${{ matrix.python }}"


def test_editors_break_lines_where_ruff_does():
    config = configparser.ConfigParser()
    config.read_string("[top]\n" + read(ROOT / ".editorconfig"))
    assert config["top"]["root"] == "true"
    assert config["*.py"]["max_line_length"] == str(PYPROJECT["tool"]["ruff"]["line-length"])


def test_the_tests_that_contributing_runs_are_there():
    text = "".join(content for language, content in blocks(CONTRIBUTING) if language == "console")
    shown = [line for line in text.splitlines() if " -m pytest " in line]
    assert shown
    for command in shown:
        path, _, word = command.partition(" -m pytest ")[2].partition(" -k ")
        assert (ROOT / path).exists(), command
        assert re.search(rf"def test_\w*{word}", read(ROOT / path)), command
