"""Imports function_app.py in the worker, and checks its functions as Azure's worker does."""

from __future__ import annotations

import importlib
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func


class FunctionLoadError(Exception):
    """The app can't be loaded; Azure refuses the whole app, too."""


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A function of the app.

    Attributes:
        name: unique in the app.
        call: the Python function.
        bindings: as in function.json.
        trigger: the one of them that starts the function.
        is_async: whether it runs on the event loop; a `def` runs in a thread.
        wants_context: whether it takes the invocation's `context`.
    """

    name: str
    call: Callable[..., Any]
    bindings: list[dict[str, Any]]
    trigger: Mapping[str, Any]
    is_async: bool
    wants_context: bool

    @property
    def returns_http(self) -> bool:
        return any(binding["name"] == "$return" and binding["type"] == "http" for binding in self.bindings)


def load_app() -> list[LoadedFunction]:
    """The functions of the module `function_app`, which must be on sys.path.

    Raises:
        FunctionLoadError: there is not exactly one app object, or a function and its bindings do not fit.
        Exception: whatever the import raises.
    """
    module = importlib.import_module("function_app")
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise FunctionLoadError(f"function_app.py must have exactly one FunctionApp at its top level, not {len(apps)}")
    # The SDK lets this be called once for each app object.
    return [_checked(function) for function in apps[0].get_functions()]


def _checked(function: Any) -> LoadedFunction:
    name = function.get_function_name()
    call = function.get_user_function()
    bindings = [json.loads(text) for text in function.get_raw_bindings()]
    trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
    parameters = set(inspect.signature(call).parameters)
    bound = {binding["name"] for binding in bindings} - {"$return"}
    wants_context = "context" in parameters - bound
    if wants_context:
        parameters.remove("context")
        annotation = typing.get_type_hints(call).get("context", func.Context)
        if annotation is not func.Context:
            raise FunctionLoadError(f"Function {name}: context must be azure.functions.Context, not {annotation!r}")
    if parameters != bound:
        raise FunctionLoadError(
            f"Function {name}: its parameters are {sorted(parameters)} and its bindings {sorted(bound)}"
        )
    return LoadedFunction(name, call, bindings, trigger, inspect.iscoroutinefunction(call), wants_context)
