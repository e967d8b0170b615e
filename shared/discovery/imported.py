"""The workspace's modules in this process's `sys.modules`."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType

from shared.discovery.dependencies import packages_above
from shared.discovery.files import Root, SourceFile, top_of
from shared.runtime.modules import is_door


def names_of(files: Mapping[str, SourceFile]) -> set[str]:
    """The names of all modules of the files: their own, and those of the folders that they lie in."""
    return {name for module in files for name in (module, *packages_above(module))}


def own_modules(files: Mapping[str, SourceFile], roots: Sequence[Root]) -> dict[str, ModuleType]:
    """The imported modules of the files, without those that have several versions."""
    found = {name: sys.modules[name] for name in names_of(files) if name in sys.modules}
    return {name: module for name, module in found.items() if not is_door(name) and _is_own(module, roots)}


def forget_modules(files: Mapping[str, SourceFile], roots: Sequence[Root]) -> None:
    """Takes out what was imported of the folders before they are loaded for the first time."""
    tops = {top_of(name) for name in files}
    for name, module in list(sys.modules.items()):
        if (top_of(name) in tops and (is_door(name) or _is_own(module, roots))) or _lies_below(module, roots):
            del sys.modules[name]


def _is_own(module: ModuleType, roots: Sequence[Root]) -> bool:
    # A folder without __init__.py has no file. Where its path lies is not asked: that depends on the folders above it.
    is_folder = getattr(module, "__file__", None) is None and hasattr(module, "__path__")
    return is_folder or _lies_below(module, roots)


def _lies_below(module: ModuleType, roots: Sequence[Root]) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.startswith(tuple(f"{root.path}{os.sep}" for root in roots))


@contextmanager
def no_bytecode(active: bool) -> Generator[None]:
    """Keeps Python from writing .pyc files, which can't tell two versions of a file saved within one second.

    Args:
        active: whether to do so.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = before or active
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
