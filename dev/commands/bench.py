"""`python3 -m dev bench`: speed, each figure beside its floor from the same run."""

from __future__ import annotations

import argparse
import subprocess
import sys

from dev.setup import PROJECT


def main(options: argparse.Namespace) -> int:
    """Runs the benchmarks in a process of their own."""
    command = [sys.executable, "-m", "tests.benchmarks", *options.arguments]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode
