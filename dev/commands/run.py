"""`python3 -m dev run NAME key=value…`: one workflow in this process, without host or storage."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dev.local_settings import LocalSettingsError, local_environment
from shared.engine import ExecutionResult
from shared.errors import MISSING_PACKAGE_HINT, FunctionNotFoundError, SettingsError
from shared.testing import local_file, run_named

# How an exception belongs to the one that is shown before it.
_RELATIONS = {"cause": "caused by ", "context": "raised while handling "}


class UsageError(Exception):
    """The command line can't be taken; the message is one line for the user."""


def main(options: argparse.Namespace) -> int:
    """Runs it; result on stdout, log and errors on stderr. 0 when it was a success."""
    raised: list[TracebackType] = []

    def remember(error: BaseException) -> None:
        if error.__traceback__ is not None:
            raised.append(error.__traceback__)

    try:
        parameters = {**read_input(options.input), **joined(options.parameters)}
        config = {key: _json_or_text(value) for key, value in _pairs(options.config)}
        secrets = dict(_pairs(options.secret))
        os.environ.update(local_environment(os.environ))
        run = run_named(
            options.name, parameters, config=config, secrets=secrets, on_error=remember if options.pdb else None
        )
        result = asyncio.run(run)
    except FunctionNotFoundError as error:
        # The log has told which files could not be loaded.
        return _refuse(error.message)
    except (LocalSettingsError, SettingsError, UsageError) as error:
        return _refuse(str(error))
    _show(result)
    if options.pdb and raised:
        _debug(raised[-1])
    return 0 if result.status == "Success" else 1


def read_input(path: str | None) -> dict[str, Any]:
    """The parameters in a JSON file, or on standard input for `-`.

    Raises:
        UsageError: there is no such file, or it holds no JSON object.
    """
    if path is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--input {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"--input {path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"--input {path} must be a JSON object, with the parameters by name")
    return found


def joined(arguments: Sequence[str]) -> dict[str, Any]:
    """The parameters of `key=value` arguments; one that is given several times is a list.

    Raises:
        UsageError: one is not of this form.
    """
    found: dict[str, list[Any]] = {}
    for key, value in _pairs(arguments):
        found.setdefault(key, []).append(_file_or_text(value))
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def _file_or_text(value: str) -> Any:
    # As with curl; text that begins so, and names no file, is meant as it stands.
    is_file = value.startswith("@") and Path(value[1:]).is_file()
    return local_file(value[1:]) if is_file else value


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key:
            raise UsageError(f"{argument!r} is no parameter: write key=value")
        yield key, value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(result: ExecutionResult) -> None:
    for line in result.logs:
        data = f" {json.dumps(line['data'])}" if line["data"] else ""
        print(f"{line['timestamp'][11:23]} {line['level']:8} {line['message']}{data}", file=sys.stderr)
    print(f"{result.status} in {result.duration_ms or 0:.0f} ms", file=sys.stderr)
    for line in failure_lines(result):
        print(line, file=sys.stderr)
    print(json.dumps(result.result, indent=2, ensure_ascii=False))


def failure_lines(result: ExecutionResult) -> Iterator[str]:
    """What is to be said of a run that failed: the chain of exceptions, each with the author's lines that it passed."""
    details = result.error_details or {}
    exceptions = details.get("failure", {}).get("exceptions", ())
    if not exceptions and result.error_message:
        yield f"{result.error_type or 'Error'}: {result.error_message}"
        for error in details.get("errors", ()):
            yield f"  {'.'.join(map(str, error['loc']))}: {error['msg']}"
        if "where" in details:
            yield f"  at {details['where']}"
    for exception in exceptions:
        yield from _exception_lines(exception, "")
    if result.error_type == "ModuleNotFoundError":
        yield MISSING_PACKAGE_HINT


def _exception_lines(exception: dict[str, Any], indent: str) -> Iterator[str]:
    first, *others = f"{exception['type']}: {exception['message']}".split("\n")
    yield f"{indent}{_RELATIONS.get(exception['relation'] or '', '')}{first}"
    yield from (f"{indent}  {line}" for line in others)
    for frame in exception["frames"]:
        source = frame["source"].get(str(frame["line"]), "").strip()
        yield f"{indent}  {frame['file']}:{frame['line']} in {frame['function']}{f': {source}' if source else ''}"
    for part in exception.get("exceptions", ()):
        yield from _exception_lines(part, f"{indent}  | ")


def _debug(traceback: TracebackType) -> None:
    import pdb

    # A run's log takes what is written to the others, and its input is empty.
    sys.stdin, sys.stdout = sys.__stdin__, sys.__stdout__
    pdb.post_mortem(traceback)


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
