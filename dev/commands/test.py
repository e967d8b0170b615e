"""`python3 -m dev test [ARGS]`: lint, types, layer rule, security linter and tests; ARGS go to pytest."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dev.setup import PROJECT

# The rooms of the engine, whose branches the tests must reach; the engine itself without exception.
_ENGINE = (
    *("engine", "execution_request", "scripts", "serialization", "context", "registry", "decorators"),
    *("logs/buffer", "logs/capture", "runtime/*", "parameters/signatures", "parameters/types", "parameters/validation"),
)
_ENGINE_FILES = ",".join(f"shared/{name}.py" for name in _ENGINE)
_LEAST_COVERED = 95
# By name, so that nothing in workspace/ counts; its examples are checked by tests.
_CHECKED = ("function_app.py", "dev", "functions", "shared", "tests")
# Many tests wait, for leases that run out or hosts that start; others use that time.
_AT_ONCE = ("--numprocesses=2", "--dist=worksteal")
_COVERED = ("--cov=shared", "--cov=functions", "--cov-branch", "--cov-report=")

# Settings of the person's own shell must not decide how tests end.
_SETTINGS = (
    *("AzureWebJobsStorage", "AUTH_MODE", "WORKSPACE_PATH", "WORKSPACE_RELOAD", "HOME_PATH", "INLINE_CODE"),
    *("PYTHON_ENABLE_OPENTELEMETRY", "OTEL_EXPORTER_OTLP_ENDPOINT", "APPLICATIONINSIGHTS_CONNECTION_STRING"),
)


def main(options: argparse.Namespace) -> int:
    """Runs every step even when one before it failed, so that one run shows all there is to mend."""
    for argument in options.arguments:
        path = argument.partition("::")[0]
        if path and path[0] != "-" and (PROJECT / path).resolve().is_relative_to(PROJECT / "workspace"):
            print(f"The tests of workflows are run by: python3 -m dev check {path}", file=sys.stderr)
            return 1
    # What a part of the tests reaches says nothing.
    whole = not options.arguments or options.arguments == ["--full"]
    python = [sys.executable, "-m"]
    steps = {
        **checks(sys.executable, shutil.which("node") or "node", PROJECT),
        "security": [
            *python,
            "bandit",
            "--quiet",
            "--configfile",
            "pyproject.toml",
            "--recursive",
            "shared",
            "functions",
        ],
        "tests": [*python, "pytest", *((*_AT_ONCE, *_COVERED) if whole else ()), *options.arguments],
    }
    if whole:
        report = [*python, "coverage", "report", "--skip-covered"]
        steps["coverage"] = [*report, f"--include={_ENGINE_FILES}", f"--fail-under={_LEAST_COVERED}"]
        steps["engine coverage"] = [*report, "--include=shared/engine.py", "--fail-under=100"]
    environ = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    failed = []
    for name, command in steps.items():
        started = time.monotonic()
        print(f"── {name}", flush=True)
        code = subprocess.run(command, cwd=PROJECT, env=environ, check=False).returncode
        print(f"   {name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
        if code != 0:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def checks(python: str, node: str, project: Path) -> dict[str, list[str]]:
    """The checks that run no code, by name; they are those of .pre-commit-config.yaml too.

    Args:
        python: of the virtual environment.
        node: the program.
        project: the folder that `node_modules` is in.
    """
    return {
        "lint": [python, "-m", "ruff", "check", *_CHECKED],
        "format": [python, "-m", "ruff", "format", "--check", *_CHECKED],
        "types": [node, str(project / "node_modules" / "pyright" / "index.js")],
        "layers": [python, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-logo"],
    }
