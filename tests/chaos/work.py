"""The workflows that are run while things break, and what they leave outside the app to be counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

FLOWS = """
import os
import time

from shared.decorators import workflow


def work(context, seconds):
    # One short write to a file opened for appending is never mixed with another process's.
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write(f"{context.execution_id} {context.attempt}\\n")
    time.sleep(seconds)
    return context.attempt


@workflow(name="work_now", execution_mode="sync")
def work_now(context, seconds: float = 0.0):
    return work(context, seconds)


@workflow(name="work_once")
def work_once(context, seconds: float = 0.0):
    return work(context, seconds)


@workflow(name="work_again", retry_policy={"max_attempts": 5, "backoff_seconds": 1})
def work_again(context, seconds: float = 0.0):
    return work(context, seconds)
"""

Effect = tuple[str, int]


class Work:
    """A workspace of these workflows, and the file of their side effects.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._effects = folder / "effects.txt"
        self._effects.touch()
        workspace = folder / "workspace"
        workspace.mkdir()
        (workspace / "work_flows.py").write_text(FLOWS)
        self.settings = {"WORKSPACE_PATH": str(workspace), "EFFECTS": str(self._effects)}

    def effects(self) -> Counter[Effect]:
        """How often each attempt of each execution has had its side effect."""
        lines = [line.split() for line in self._effects.read_text().splitlines()]
        return Counter((execution_id, int(attempt)) for execution_id, attempt in lines)
