"""Workspace folders that tests write, edit and load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shared.discovery import Workspace
from shared.registry import FunctionMetadata, FunctionRegistry, get_registry, staging
from shared.runtime.modules import is_door
from shared.settings.environment import load_settings

WORKFLOW = """
from shared.decorators import workflow

@workflow(name="{name}", execution_mode="sync"{more})
def {name}():
    return {value!r}
"""


def source(name: str, value: object = 1, more: str = "") -> str:
    """The text of a file with one workflow, which returns `value`."""
    return WORKFLOW.format(name=name, value=value, more=more)


@dataclass
class Folder:
    """A workspace folder. Each write has a time of its own, so that none is missed for coming soon after another."""

    path: Path
    writes: int = 0

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.writes += 1
        os.utime(path, ns=(self.writes * 10**9, self.writes * 10**9))
        return path

    def remove(self, name: str) -> None:
        (self.path / name).unlink()


def workspace_of(
    folder: Path, *, reload: bool = False, home: Path | None = None, timeout: int | None = None
) -> Workspace:
    """A workspace of its own on a folder."""
    settings = load_settings({}, app_root=folder.parent)
    settings = replace(settings, workspace_path=folder, home_path=home, workspace_reload=reload)
    return Workspace(replace(settings, function_timeout_seconds=timeout))


def names() -> list[str]:
    """Of all functions that are loaded."""
    return [metadata.name for metadata in get_registry().get_all_functions()]


def function(name: str) -> FunctionMetadata:
    """The function of this name, which is loaded."""
    found = get_registry().get_function(name)
    assert found is not None, f"{name} is not loaded"
    assert found.function is not None
    return found


def value_of(name: str) -> object:
    """What a function without parameters returns."""
    called = function(name).function
    assert called is not None
    return called()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "flows"
    path.mkdir()
    return Folder(path)


@pytest.fixture(autouse=True)
def clean_imports(tmp_path: Path) -> Iterator[FunctionRegistry]:
    """Modules and paths of the test's folders are gone afterwards, and its functions were never in the real
    registry.
    """
    path = list(sys.path)
    with staging(FunctionRegistry()) as registry:
        yield registry
    sys.path[:] = path
    forget_modules_below(tmp_path)


def forget_modules_below(folder: Path) -> None:
    """Takes out what was imported of workspaces in a folder."""
    found = [
        name for name, module in list(sys.modules.items()) if is_door(name) or _place(module).startswith(str(folder))
    ]
    for name in found:
        del sys.modules[name]


def _place(module: object) -> str:
    try:
        return str(getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), ""))
    except KeyError:  # the path of a folder whose package has failed
        return ""
