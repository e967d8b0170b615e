"""What workflow authors find here: asked of the platform itself, so that the answer is always today's."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import shared
from shared import decorators, registry
from shared.context import ExecutionContext
from shared.errors import DefinitionError

# What workflows, providers and their names must be (docs/decorators.md).
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a dotted name leads: to `name` in `module` (None: to the module itself); `rest` are attributes of it."""

    module: str
    name: str | None
    rest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Here:
    """The platform as authors see it.

    Attributes:
        context: the public names of an execution context.
        arguments: those of each decorator.
        required: those that it can't do without.
        bare: the decorators that may stand without arguments.
        parameter_types: what `@param` knows as types.
        retry_fields: what a retry_policy may have.
    """

    context: frozenset[str]
    arguments: dict[str, tuple[str, ...]]
    required: dict[str, tuple[str, ...]]
    bare: frozenset[str]
    parameter_types: tuple[str, ...]
    retry_fields: tuple[str, ...]

    def has(self, what: str | None) -> bool:
        """Whether `context.MEMBER`, or `workflow.ARGUMENT`, is there; None is always."""
        if what is None:
            return True
        kind, _, name = what.partition(".")
        return name in (self.context if kind == "context" else self.arguments[kind])

    def find(self, parts: Sequence[str]) -> Found | int:
        """Follows a dotted name that begins with `shared`; the index of the part that is missing when it ends there."""
        found: Any = shared
        module = "shared"
        for index, part in enumerate(parts[1:], start=1):
            inner = f"{module}.{part}"
            if hasattr(found, part):
                found = getattr(found, part)
            elif hasattr(found, "__path__") and importlib.util.find_spec(inner) is not None:
                try:
                    found = importlib.import_module(inner)
                except ImportError:  # of a package that only some installations have
                    return index
            else:
                return index
            if not inspect.ismodule(found) or found.__name__ != inner:
                return Found(module, part, tuple(parts[index + 1 :]))
            module = inner
        return Found(module, None)


def here() -> Here:
    """Asks the platform."""
    functions = {"workflow": decorators.workflow, "data_provider": decorators.data_provider, "param": decorators.param}
    return Here(
        context=_members(ExecutionContext),
        arguments={name: _arguments(function) for name, function in functions.items()},
        required={name: _arguments(function, required=True) for name, function in functions.items()},
        bare=frozenset(name for name, function in functions.items() if _may_be_bare(function)),
        parameter_types=tuple(decorators.VALID_PARAM_TYPES),
        retry_fields=tuple(registry.RetryPolicy.__annotations__),
    )


def _arguments(function: Callable[..., Any], *, required: bool = False) -> tuple[str, ...]:
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return tuple(
        name
        for name, found in inspect.signature(function).parameters.items()
        if found.kind not in variable and not (required and found.default is not inspect.Parameter.empty)
    )


def _may_be_bare(decorator: Callable[..., Any]) -> bool:
    def probe() -> None: ...

    with registry.staging(registry.FunctionRegistry()) as apart:
        try:
            return decorator(probe) is probe and bool(apart.get_all_functions())
        except (TypeError, DefinitionError):
            return False


def _members(of: type) -> frozenset[str]:
    """The public members of a class, those that its methods give to `self` among them."""
    names = {name for name in dir(of) if not name.startswith("_")}
    for base in of.__mro__[:-1]:
        names.update(base.__annotations__ if "__annotations__" in vars(base) else ())
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            ):
                names.add(node.attr)
    return frozenset(name for name in names if not name.startswith("_"))
