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


def packages() -> list[str]:
    """The packages that `import function_app` pulls in, outside of the standard library."""
    code = "import sys, function_app; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=_environ(), check=True, capture_output=True, text=True
    )
    return [name for name in done.stdout.split() if name not in sys.stdlib_module_names and not name.startswith("_")]


def _environ() -> dict[str, str]:
    # Bytecode is there, as pip has made it for the dependencies.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true", "AUTH_MODE": "platform"}


def _import_ms(code: str) -> float:
    rounds: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_environ(), check=True)
        rounds.append((time.perf_counter() - began) * 1000)
    return statistics.median(rounds)
