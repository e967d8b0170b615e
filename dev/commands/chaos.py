"""`python3 -m dev chaos`: faults, crashes and a soak, at full size."""

from __future__ import annotations

import argparse
import subprocess
import sys

from dev.setup import PROJECT


def main(options: argparse.Namespace) -> int:
    """Runs them in a process of their own."""
    command = [sys.executable, "-m", "tests.chaos", *options.arguments]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode
