"""Whose a function's name is: of several functions with one name the one that was there before, or that sorts first."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from shared.registry import FunctionMetadata, FunctionRegistry


class LoadingRegistry(FunctionRegistry):
    """The registry that is filled while a workspace is loaded. It takes several functions of one name.

    Attributes:
        registered: all of them, in the order in which they came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registered: list[FunctionMetadata] = []

    def register_function(self, metadata: FunctionMetadata) -> None:
        """As in a `FunctionRegistry`, but that whose the name is, is not decided yet."""
        for known in [each for each in self.registered if each.name == metadata.name]:
            if known is metadata:
                return
            if known.function is metadata.function or None in (known.function, metadata.function):
                known.merge(metadata)
                return
            if _is_former(known, metadata):
                self.registered.remove(known)
        self.registered.append(metadata)


def module_of(metadata: FunctionMetadata) -> str:
    """The name of the module that a function was defined in."""
    return getattr(metadata.function, "__module__", None) or ""


def _is_former(known: FunctionMetadata, metadata: FunctionMetadata) -> bool:
    """Whether one function stands for another of the same module as it was when it was executed before."""
    if known.function is None or metadata.function is None or module_of(known) != module_of(metadata):
        return False
    return _globals_of(known.function) is not _globals_of(metadata.function)


def _globals_of(function: Callable[..., Any]) -> object:
    return getattr(inspect.unwrap(function), "__globals__", None)
