"""What authors do with logging and streams holds for their runs, and harms neither another run nor the process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.authors_logging import NEIGHBOURS_LINES, ROWS, Row

ROOT = Path(__file__).resolve().parents[3]
ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All rows, run one after the other in one process: what a row leaves behind would harm those that follow."""
    file = tmp_path_factory.mktemp("logs") / "outcomes.json"
    command = [sys.executable, "-m", "tests.support.authors_logging", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return {**json.loads(file.read_text()), "stdout": done.stdout, "stderr": done.stderr}


def matches(lines: list[str], patterns: list[str]) -> bool:
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


@ROW
def test_a_runs_log_has_what_its_author_means(row: Row, outcomes: dict[str, Any]):
    own = outcomes[row.name]["own"]
    assert own["status"] == "Success", own["error"]
    assert matches(own["lines"], row.lines), own["lines"]


@ROW
def test_the_neighbours_log_is_complete(row: Row, outcomes: dict[str, Any]):
    neighbour = outcomes[row.name]["neighbour"]
    assert neighbour["status"] == "Success", neighbour["error"]
    assert matches(neighbour["lines"], NEIGHBOURS_LINES), neighbour["lines"]


@ROW
def test_the_process_logs_as_before(row: Row, outcomes: dict[str, Any]):
    assert outcomes[row.name]["process"].count("platform: of the platform") == 1
    assert outcomes[row.name]["process"].count("platform: after it") == 1


def test_nothing_of_a_run_is_on_the_process_s_streams(outcomes: dict[str, Any]):
    assert outcomes["stdout"].split("\n")[:-1] == [f"out {row.name}" for row in ROWS]
    assert outcomes["stderr"].split("\n")[:-1] == [f"err {row.name}" for row in ROWS]
