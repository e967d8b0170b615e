"""What a cold start imports, and how long that takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.report import Figure

ROOT = Path(__file__).resolve().parents[2]


def figures() -> list[Figure]:
    """The app's import beside what it can't do without."""
    ours = _import_ms("import function_app")
    floor = _import_ms("import azure.functions, pydantic")
    bare = _import_ms("pass")
    target = "azure.functions and pydantic are the floor"
    return [Figure("import function_app", ours - bare, floor - bare, "ms", target, ours - bare < 3 * (floor - bare))]


def _import_ms(code: str) -> float:
    environ = {**os.environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true", "AUTH_MODE": "platform"}
    rounds: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)
        rounds.append((time.perf_counter() - began) * 1000)
    return statistics.median(rounds)
