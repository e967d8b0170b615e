"""The command line of `python3 -m dev`. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys

from dev.setup import PROJECT, SetupError, ensure_node, ensure_python, venv_python

DEFAULT_PORT = 7071
DEFAULT_STORAGE_PORT = 10000
# What each command needs besides Python itself.
_NEEDS = {"start": ("python", "node"), "test": ("python", "node"), "bench": ("python", "node"), "run": ("python",)}
_INSIDE = "WORKFLOW_DEV_ENVIRONMENT"


def main(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    options = _parser().parse_args(arguments)
    needs = _NEEDS.get(options.command, ())
    try:
        os.chdir(PROJECT)
        ensure = [what for name, what in (("python", ensure_python), ("node", ensure_node)) if name in needs]
        pending = [job for what in ensure if (job := what()) is not None]
        for job in pending:
            job.wait()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if "python" in needs and os.environ.get(_INSIDE) != "1":
        return _run_inside(arguments)
    return importlib.import_module(f"dev.commands.{options.command}").main(options)


def _run_inside(arguments: list[str]) -> int:
    """The same command with the virtual environment's Python, in place of this process where the system can do that."""
    command = [str(venv_python()), "-m", "dev", *arguments]
    environ = {**os.environ, _INSIDE: "1"}
    if sys.platform != "win32":
        os.execve(command[0], command, environ)
    return subprocess.run(command, env=environ, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m dev", description="The project's development tools.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start storage and the app on this machine")
    start.add_argument("--port", type=_port, default=DEFAULT_PORT, help=f"the app's port (default {DEFAULT_PORT})")
    start.add_argument(
        "--storage-port",
        type=_port,
        default=DEFAULT_STORAGE_PORT,
        help=f"the first of Azurite's three ports (default {DEFAULT_STORAGE_PORT})",
    )
    new = commands.add_parser("new", help="write a workflow and its test into workspace/")
    new.add_argument("name")
    run = commands.add_parser("run", help="run one workflow in this process, without host or storage")
    run.add_argument("name")
    run.add_argument("parameters", nargs="*", metavar="key=value")
    test = commands.add_parser("test", help="lint, types, layer rule and tests", add_help=False)
    test.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="for pytest")
    bench = commands.add_parser("bench", help="speed, each figure beside its floor", add_help=False)
    bench.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)
