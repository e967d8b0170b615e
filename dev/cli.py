"""The command line of `python3 -m dev`. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import subprocess
import sys

from dev.local_settings import LocalSettingsError, local_environment, workspace_folder
from dev.setup import PROJECT, SetupError, is_inside, set_up, venv_python

DEFAULT_PORT = 7071
DEFAULT_STORAGE_PORT = 10000
# What each command needs besides Python itself.
_NEEDS_PYTHON = {"start", "test", "bench", "chaos", "fuzz", "run", "check", "types", "adopt"}
_NEEDS_NODE = {"start", "test", "bench", "chaos", "fuzz", "types"}
_NEEDS_TESTS = {"test", "bench", "chaos", "fuzz"}
# What runs the user's workflows, and so needs what they need.
_NEEDS_WORKSPACE = {"start", "run", "check"}
# Their arguments belong to somebody else, also those that look like options.
_PASSED_ON = {
    "test": "lint, types, layer rule and tests; ARGS go to pytest",
    "bench": "speed, each figure beside its floor; `walks` for the files that calls pass",
    "chaos": "faults, crashes and a soak, at full size; ARGS name some of them",
    "fuzz": "requests made from the API's description, at full size; ARGS go to pytest",
}


def main(arguments: list[str]) -> int:
    """Runs a command and returns its exit code."""
    # Where the terminal does not know a character, as on some of Windows, another stands for it.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(_parse(arguments), arguments)
    except (SetupError, LocalSettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    needs_python = options.command in _NEEDS_PYTHON
    os.chdir(PROJECT)
    workspace = workspace_folder(local_environment(os.environ)) if options.command in _NEEDS_WORKSPACE else None
    set_up(
        python=needs_python,
        node=options.command in _NEEDS_NODE,
        tests=options.command in _NEEDS_TESTS,
        workspace=workspace,
    )
    if needs_python and not is_inside():
        return _run_inside(arguments)
    return importlib.import_module(f"dev.commands.{options.command}").main(options)


def _run_inside(arguments: list[str]) -> int:
    """The same command with the virtual environment's Python, in place of this process where the system can do that."""
    command = [str(venv_python()), "-m", "dev", *arguments]
    if sys.platform != "win32":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def _parse(arguments: list[str]) -> argparse.Namespace:
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
    new.add_argument("name", metavar="NAME")
    check = commands.add_parser("check", help="load your own workflows and run their tests, in seconds")
    check.add_argument("path", nargs="?", metavar="PATH", help="a file or folder of them; left out, all")
    commands.add_parser(
        "run", help="run one workflow in this process, without host or storage", parents=[_run_parser()]
    )
    adopt = commands.add_parser("adopt", help="move a workspace of the former system over: its imports, and a report")
    adopt.add_argument("path", metavar="PATH", help="the workspace folder")
    adopt.add_argument(
        "--check", action="store_true", help="change nothing; 1 when something would change or does not fit"
    )
    adopt.add_argument("--force", action="store_true", help="rewrite files too that git could not give back")
    commands.add_parser("types", help="write the API's types for TypeScript, clients/typescript/api.d.ts")
    for name, text in _PASSED_ON.items():
        commands.add_parser(name, help=text, add_help=False)
    if arguments and arguments[0] in _PASSED_ON:
        return argparse.Namespace(command=arguments[0], arguments=arguments[1:])
    if arguments[:1] == ["run"]:
        # Options may stand anywhere among the parameters, which a command of a command can't take.
        run = argparse.ArgumentParser(prog="python3 -m dev run", parents=[_run_parser()])
        return run.parse_intermixed_args(arguments[1:], argparse.Namespace(command="run"))
    return parser.parse_args(arguments)


def _run_parser() -> argparse.ArgumentParser:
    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("name", metavar="NAME")
    run.add_argument(
        "parameters", nargs="*", metavar="key=value", help="its parameters; one that is given again becomes a list"
    )
    run.add_argument("--input", metavar="FILE", help="a JSON object of parameters, - for standard input")
    run.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="key=value",
        help="what context.get_config finds; a value that is JSON is read as such",
    )
    run.add_argument("--secret", action="append", default=[], metavar="key=value", help="what context.get_secret finds")
    run.add_argument("--pdb", action="store_true", help="when the workflow raises, look at it in the debugger")
    return run


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)
