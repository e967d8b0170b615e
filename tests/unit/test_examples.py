"""The shipped examples pass what an author's own workflows have to pass: `dev check`, and the project's lint."""

from __future__ import annotations

import os
import subprocess
import sys

from dev.setup import PROJECT
from shared.settings.environment import get_settings


def test_the_examples_load_and_their_tests_pass():
    done = subprocess.run(
        [sys.executable, "-m", "dev", "check"], cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded, *tests = done.stdout.splitlines()
    assert loaded.endswith(" data providers loaded")
    assert " passed in " in tests[-1]


def test_the_examples_are_written_as_the_rest_of_the_project():
    examples = str(get_settings().workspace_path)
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "-q", "--config", "pyproject.toml", examples]
        done = subprocess.run(ruff, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
