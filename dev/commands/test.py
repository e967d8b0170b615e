"""`python3 -m dev test [ARGS]`: lint, types, layer rule and tests; ARGS go to pytest."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time

from dev.setup import PROJECT

# Settings of the person's own shell must not decide how tests end.
_SETTINGS = ("AzureWebJobsStorage", "AUTH_MODE", "WORKSPACE_PATH", "WORKSPACE_RELOAD", "HOME_PATH", "INLINE_CODE")


def main(options: argparse.Namespace) -> int:
    """Runs every step even when one before it failed, so that one run shows all there is to mend."""
    node = shutil.which("node") or "node"
    python = [sys.executable, "-m"]
    steps = {
        "lint": [*python, "ruff", "check"],
        "format": [*python, "ruff", "format", "--check"],
        "types": [node, str(PROJECT / "node_modules" / "pyright" / "index.js")],
        "layers": [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-logo",
        ],
        "tests": [*python, "pytest", *options.arguments],
    }
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
