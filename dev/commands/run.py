"""`python3 -m dev run NAME key=value…`: one workflow in this process, without host or storage."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from dev.local_settings import LocalSettingsError, local_environment
from shared.engine import ExecutionResult
from shared.errors import FunctionNotFoundError, SettingsError
from shared.testing import local_file, run_named


def main(options: argparse.Namespace) -> int:
    """Runs it; result on stdout, log and errors on stderr. 0 when it was a success."""
    parameters: dict[str, Any] = {}
    for pair in options.parameters:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            return _refuse(f"{pair!r} is no parameter: write key=value")
        # As with curl; text that begins so, and names no file, is meant as it stands.
        is_file = value.startswith("@") and Path(value[1:]).is_file()
        parameters[key] = local_file(value[1:]) if is_file else value
    try:
        os.environ.update(local_environment(os.environ))
        result = asyncio.run(run_named(options.name, parameters))
    except FunctionNotFoundError as error:
        # The log has told which files could not be loaded.
        return _refuse(error.message)
    except (LocalSettingsError, SettingsError) as error:
        return _refuse(str(error))
    _show(result)
    return 0 if result.status == "Success" else 1


def _show(result: ExecutionResult) -> None:
    for line in result.logs:
        data = f" {json.dumps(line['data'])}" if line["data"] else ""
        print(f"{line['timestamp'][11:23]} {line['level']:8} {line['message']}{data}", file=sys.stderr)
    print(f"{result.status} in {result.duration_ms:.1f} ms", file=sys.stderr)
    if result.error_message:
        print(f"{result.error_type or 'Error'}: {result.error_message}", file=sys.stderr)
        for error in (result.error_details or {}).get("errors", ()):
            print(f"  {'.'.join(map(str, error['loc']))}: {error['msg']}", file=sys.stderr)
    print(json.dumps(result.result, indent=2, ensure_ascii=False))


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
