"""Python loads this first where PYTHONPATH has its folder: the project's own code then finds nothing that only Linux,
or only Linux and macOS, have. The standard library and the dependencies, which know their systems, find all of it.
"""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path
from typing import Any

MODULES = {"fcntl", "resource", "pwd", "grp", "termios"}
PROJECT = f"{Path(__file__).resolve().parents[3]}{os.sep}"
ROOMS = tuple(f"{PROJECT}{room}{os.sep}" for room in ("dev", "functions", "shared"))

_import = builtins.__import__


def _import_here(name: str, globals: Any = None, *others: Any, **named: Any) -> Any:  # noqa: A002 - Python's own name
    if name in MODULES and str((globals or {}).get("__file__", "")).startswith(ROOMS):
        raise ModuleNotFoundError(f"No module named {name!r} on this system", name=name)
    return _import(name, globals, *others, **named)


def _without_proc(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith("/proc"):
        raise FileNotFoundError(f"There is no {arguments[0]} on this system")


builtins.__import__ = _import_here
sys.addaudithook(_without_proc)
del os.fork, os.forkpty
