"""What a function's signature says of its parameters: names, types, defaults, and whether it takes the context."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from shared.errors import DefinitionError
from shared.parameters.annotations import type_name, without_none
from shared.registry import WorkflowParameter, place_of
from shared.serialization import to_json

_CONTEXT_CLASS = "ExecutionContext"
_CONTEXT_NAME = "context"


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """A signature as the platform reads it.

    Attributes:
        parameters: all but the context, in their order.
        accepts_extra: whether there is a `**kwargs`.
        context_name: the name of the first parameter, if that is the context.
    """

    parameters: list[WorkflowParameter]
    accepts_extra: bool
    context_name: str | None

    @property
    def takes_context(self) -> bool:
        return self.context_name is not None

    def find(self, name: str) -> WorkflowParameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


def read_signature(function: Callable[..., Any]) -> FunctionSignature:
    """Reads a function's signature.

    Raises:
        DefinitionError: it has `*args` or positional-only parameters, which a call by name can't fill.
    """
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        return FunctionSignature([], accepts_extra=True, context_name=None)
    hints = _hints(function)
    context_name = found[0].name if found and _is_context(found[0], hints) else None
    parameters: list[WorkflowParameter] = []
    accepts_extra = False
    for parameter in found[1:] if context_name else found:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            accepts_extra = True
        elif parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise DefinitionError(
                f"the parameter {str(parameter)!r} can't be given by name, as every input is: {place_of(function)}"
            )
        else:
            parameters.append(_parameter(parameter, hints.get(parameter.name)))
    return FunctionSignature(parameters, accepts_extra, context_name)


def returned_type(function: Callable[..., Any]) -> Any:
    """The annotation of what a function returns; Any when it has none that can be read."""
    return _hints(function).get("return", Any)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The resolved annotations; those that can't be resolved (yet) are left out."""
    target = inspect.unwrap(function)
    found: dict[str, Any] = {}
    # One by one, so that one that can't be resolved does not take the others down.
    for name, hint in cast("dict[str, Any]", getattr(target, "__annotations__", {})).items():
        holder = types.SimpleNamespace(__annotations__={name: hint})
        try:
            found |= typing.get_type_hints(holder, getattr(target, "__globals__", {}), include_extras=True)
        except Exception:  # noqa: BLE001, S112 - evaluating it runs the author's expression, which may raise anything  # nosec B112
            continue
    return found


def _is_context(parameter: inspect.Parameter, hints: dict[str, Any]) -> bool:
    if parameter.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        return False
    if parameter.name == _CONTEXT_NAME:
        return True
    hint = hints.get(parameter.name, parameter.annotation)
    name = hint if isinstance(hint, str) else getattr(hint, "__name__", "")
    return name.strip("'\"").rpartition(".")[2] == _CONTEXT_CLASS


def _parameter(parameter: inspect.Parameter, hint: Any) -> WorkflowParameter:
    has_default = parameter.default is not inspect.Parameter.empty
    annotation, nullable = without_none(hint)
    return WorkflowParameter(
        name=parameter.name,
        type=type_name(annotation),
        required=not has_default,
        default_value=_shown_default(parameter.default) if has_default else None,
        annotation=hint,
        from_signature=True,
        nullable=nullable,
        has_default=has_default,
        default_from_signature=has_default,
    )


def _shown_default(default: Any) -> Any:
    """The default as JSON; None for an object that JSON has no word for."""
    shown = to_json(default)
    is_marker = isinstance(shown, str) and shown.startswith("<") and not isinstance(default, (str, Enum))
    return None if is_marker else shown
