"""Which files share an event loop: those that use the same client, lock or other thing that a module keeps.

A helper that makes a client at its top level, or when it is first asked for one, ties those together that import it:
a client of asyncio works on one loop alone. Helpers that keep nothing tie nobody, so that code that blocks holds up as
few others as can be.
"""

from __future__ import annotations

import logging
import re
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar

_OF_CONSTANTS = ("__future__", "datetime", "decimal", "fractions", "typing", "uuid", "zoneinfo")
# What a module may have at its top level without keeping anything.
_STATELESS = (
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, str, bytes, int, float, complex, tuple,
    frozenset, re.Pattern, logging.Logger, Enum, TypeVar, PurePath, types.GenericAlias, types.UnionType,
)  # fmt: skip


def homes_of(modules: Mapping[str, types.ModuleType], former: Mapping[str, str] | None = None) -> dict[str, str]:
    """The home of each module: a name that is the same for all that are tied to it.

    Args:
        modules: of the workspace, by name.
        former: the homes that those of them had which are still the same modules. What they keep has been used there,
            so that those who are tied to them now have the same home.
    """
    keeping = {name for name, module in modules.items() if any(True for _ in _kept_by(module))}
    kept = {id(value): name for name in keeping for value in _kept_by(modules[name]) if value is not None}
    homes = {name: name for name in modules}
    for name in sorted(modules):
        for used in _used_by(modules[name], modules, kept) & keeping:
            other, home = max(homes[name], homes[used]), min(homes[name], homes[used])
            homes = {each: home if own == other else own for each, own in homes.items()}
    stays: dict[str, str] = {}
    for name in sorted(keeping & (former or {}).keys()):
        stays.setdefault(homes[name], (former or {})[name])
    return {name: stays.get(home, home) for name, home in homes.items()}


def _kept_by(module: types.ModuleType) -> Iterator[Any]:
    """What a module keeps; None for what is to be made later."""
    for name, value in list(vars(module).items()):
        if name.startswith("__") or isinstance(value, _STATELESS) or type(value).__module__ in _OF_CONSTANTS:
            continue
        # A list or mapping with something in it is a constant, as a rule; an empty one is there to be filled.
        if not isinstance(value, (list, dict, set)) or not value:
            yield value


def _used_by(module: types.ModuleType, modules: Mapping[str, types.ModuleType], kept: Mapping[int, str]) -> set[str]:
    names = {id(each): name for name, each in modules.items()}
    used: set[str] = set()
    for value in list(vars(module).values()):
        if isinstance(value, types.ModuleType):
            used.add(names.get(id(value), ""))
        elif isinstance(value, (types.FunctionType, type)):
            used.add(value.__module__)
        else:
            used.add(kept.get(id(value), ""))
    return used
