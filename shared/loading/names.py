"""Who owns a function's name while a workspace is loaded: whoever had it before, or else the file that sorts first."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import DuplicateFunctionError
from shared.registry import FunctionMetadata, FunctionRegistry, two_of_one_name


class NameReservedError(DuplicateFunctionError):
    """The name belongs to a file that is still to be loaded; if that gives it up, it is free."""


class LoadingRegistry(FunctionRegistry):
    """The registry that is filled while a workspace is loaded.

    Attributes:
        reserved: by name, the function that has had it until now, of a file that is still to be loaded.
        displaced: functions that have lost their name to a file that sorts before theirs, each with that one's.

    Args:
        order: of a module, its place in the order of the files; smaller ones come first.
    """

    def __init__(self, order: Mapping[str, int]) -> None:
        super().__init__()
        self.reserved: dict[str, FunctionMetadata] = {}
        self.displaced: list[tuple[FunctionMetadata, FunctionMetadata]] = []
        self._order = order
        self._settled: set[str] = set()

    def settle(self, metadata: FunctionMetadata) -> None:
        """Registers a function that was there before, and keeps its name whatever comes."""
        super().register_function(metadata)
        self._settled.add(metadata.name)

    def release(self) -> None:
        """Frees the reserved names that their files, all loaded by now, have not claimed again."""
        for name, owner in self.reserved.items():
            known = self.get_function(name)
            if known is not None and module_of(known) == module_of(owner):
                self._settled.add(name)
        self.reserved.clear()

    def register_function(self, metadata: FunctionMetadata) -> None:
        """As in a `FunctionRegistry`; of a module that is executed once more the former functions give way.

        Raises:
            DuplicateFunctionError: another function has this name.
            NameReservedError: another function has had this name, and may lose it.
        """
        known = self.get_function(metadata.name)
        if known is not None and _is_former(known, metadata):
            self.unregister_functions([known])
            known = None
        owner = self.reserved.get(metadata.name)
        if owner is not None and module_of(owner) != module_of(metadata):
            raise NameReservedError(two_of_one_name(owner, metadata))
        if known is not None and known.function is not metadata.function and self._comes_before(metadata, known):
            self.unregister_functions([known])
            self.displaced.append((known, metadata))
        super().register_function(metadata)

    def _comes_before(self, metadata: FunctionMetadata, known: FunctionMetadata) -> bool:
        if known.name in self._settled:
            return False
        last = len(self._order)
        return self._order.get(module_of(metadata), last) < self._order.get(module_of(known), last)


def module_of(metadata: FunctionMetadata) -> str:
    """The name of the module that a function was defined in."""
    return getattr(metadata.function, "__module__", None) or ""


def _is_former(known: FunctionMetadata, metadata: FunctionMetadata) -> bool:
    """Whether one function stands for another of the same module as it was executed before."""
    if known.function is None or metadata.function is None or module_of(known) != module_of(metadata):
        return False
    return _globals_of(known.function) is not _globals_of(metadata.function)


def _globals_of(function: Callable[..., Any]) -> object:
    return getattr(inspect.unwrap(function), "__globals__", None)
