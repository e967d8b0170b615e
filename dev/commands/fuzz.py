"""`python3 -m dev fuzz`: thousands of requests made from the API's description; ARGS go to pytest."""

from __future__ import annotations

import argparse
import subprocess
import sys

from dev.setup import PROJECT


def main(options: argparse.Namespace) -> int:
    """Runs them against an app of their own, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "tests/e2e/test_fuzzed_api.py", "--full", "-m", "full", "-s"]
    return subprocess.run([*command, *options.arguments], cwd=PROJECT, check=False).returncode
