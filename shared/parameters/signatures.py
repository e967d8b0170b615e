"""What a function's signature says of its parameters: names, types, defaults, and whether it takes the context."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NotRequired, Required, cast, get_args, get_origin

from pydantic import SecretBytes, SecretStr

from shared.errors import DefinitionError
from shared.parameters.annotations import type_name, without_none
from shared.parameters.defaults import Filler, copier_of
from shared.parameters.fields import FieldRefusedError, read_fields
from shared.registry import WorkflowParameter, place_of
from shared.serialization import to_json

_CONTEXT_NAME = "context"
_CONTEXT_CLASS = "ExecutionContext"
# As it is written where it can't be resolved: the class is imported for type checkers alone, say.
_WRITTEN_CONTEXT = re.compile(r"(?:\w+\.)*(?:Optional\[)?(?:\w+\.)*ExecutionContext\]?(?:\s*\|\s*None)?")
# What people write for it elsewhere, without an annotation.
_NEARLY_CONTEXT = frozenset({"ctx", "cxt", "contex", "execution_context", "exec_context", "workflow_context"})
_PLAIN = (str, int, float, bool, bytes, list, dict, tuple, set)


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """A signature as the platform reads it.

    Attributes:
        parameters: all but the context, in their order.
        accepts_extra: whether there is a `**kwargs`.
        context_name: the name of the parameter that is the context.
        context_is_first: whether that one is the first and may be given without its name.
        extra: what each value of the `**kwargs` must be; None when it may be anything.
        fillers: what gives a parameter's default, by name, where Python must not fill it in itself.
        aliases: other names that callers may use, and the parameter's own.
    """

    parameters: list[WorkflowParameter]
    accepts_extra: bool
    context_name: str | None
    context_is_first: bool = False
    extra: WorkflowParameter | None = None
    fillers: Mapping[str, Filler] = field(default_factory=dict[str, Filler])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def takes_context(self) -> bool:
        return self.context_name is not None

    def find(self, name: str) -> WorkflowParameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


def read_signature(function: Callable[..., Any]) -> FunctionSignature:
    """Reads a function's signature.

    Raises:
        DefinitionError: it has `*args` or positional-only parameters, which a call by name can't fill; what is meant as
            the context is not told apart from a parameter; or a default says what can't be.
    """
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        return FunctionSignature([], accepts_extra=True, context_name=None)
    reading = _Reading(function)
    for position, parameter in enumerate(found):
        reading.add(parameter, is_first=position == 0)
    return reading.signature()


class _Reading:
    """One signature while it is read, parameter by parameter."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._place = place_of(function)
        self._hints = _hints(function)
        self._context: inspect.Parameter | None = None
        self._context_is_first = False
        self._parameters: list[WorkflowParameter] = []
        self._accepts_extra = False
        self._extra: WorkflowParameter | None = None
        self._fillers: dict[str, Filler] = {}
        self._aliases: dict[str, str] = {}

    def add(self, parameter: inspect.Parameter, *, is_first: bool) -> None:
        """Takes the next parameter."""
        kind = parameter.kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            self._add_extra(self._hints.get(parameter.name))
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            raise self._error(f"{str(parameter)!r} can't be given by name, as every input is; write a list instead")
        elif self._is_context(parameter, is_first=is_first):
            if self._context is not None:
                raise self._error(f"{parameter.name!r} is the context, as {self._context.name!r} is; keep one of them")
            self._context = parameter
            self._context_is_first = is_first and kind is not inspect.Parameter.KEYWORD_ONLY
        elif kind is inspect.Parameter.POSITIONAL_ONLY:
            raise self._error(f"{str(parameter)!r} can't be given by name, as every input is; take the '/' away")
        else:
            self._add_parameter(parameter.name, self._hints.get(parameter.name), parameter.default)

    def signature(self) -> FunctionSignature:
        """What was read.

        Raises:
            DefinitionError: two parameters have one name for callers.
        """
        names = {parameter.name for parameter in self._parameters} | {self._context.name if self._context else ""}
        for alias, name in self._aliases.items():
            if alias in names:
                raise self._error(f"the alias {alias!r} of {name!r} is another parameter's name; rename one of them")
        return FunctionSignature(
            parameters=self._parameters,
            accepts_extra=self._accepts_extra,
            context_name=self._context.name if self._context is not None else None,
            context_is_first=self._context_is_first,
            extra=self._extra,
            fillers=self._fillers,
            aliases=self._aliases,
        )

    def _add_parameter(self, name: str, hint: Any, default: Any) -> None:
        try:
            read = read_fields(hint, default)
        except FieldRefusedError as error:
            raise self._error(f"{name!r}: {error}") from None
        for alias in read.aliases:
            if self._aliases.setdefault(alias, name) != name:
                raise self._error(f"{alias!r} is an alias of both {self._aliases[alias]!r} and {name!r}")
        annotation, nullable = without_none(read.annotation)
        filler = read.filler or copier_of(read.default)
        if filler is not None:
            self._fillers[name] = filler
        self._parameters.append(
            WorkflowParameter(
                name=name,
                type=type_name(annotation),
                label=read.title,
                required=not read.has_default,
                default_value=_shown_default(read.default) if read.has_default else None,
                help_text=read.description,
                annotation=read.annotation,
                from_signature=True,
                nullable=nullable,
                has_default=read.has_default,
                default_from_signature=read.has_default,
            )
        )

    def _add_extra(self, hint: Any) -> None:
        if get_origin(hint) is typing.Unpack:
            for name, (own, required) in _items_of(get_args(hint)[0]).items():
                # One that may be missing has no default: Python leaves it out.
                self._add_parameter(name, own, inspect.Parameter.empty if required else None)
            return
        self._accepts_extra = True
        annotation, nullable = without_none(hint)
        if annotation is not None and annotation is not Any:
            self._extra = WorkflowParameter(
                "kwargs", type_name(annotation), annotation=hint, from_signature=True, nullable=nullable
            )

    def _is_context(self, parameter: inspect.Parameter, *, is_first: bool) -> bool:
        name, hint = parameter.name, self._hints.get(parameter.name, parameter.annotation)
        if _is_context_hint(hint):
            return True
        is_annotated = parameter.annotation is not inspect.Parameter.empty
        if name == _CONTEXT_NAME and is_first and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            if (get_origin(hint) or hint) in _PLAIN:
                raise self._error(
                    "the first parameter, when it is called 'context', gets the ExecutionContext; annotate it so, or "
                    "give it another name"
                )
            return True
        if not is_annotated and name == _CONTEXT_NAME:
            raise self._error("'context' is not the first parameter; write context: ExecutionContext, or put it first")
        is_bare = not is_annotated and parameter.default is inspect.Parameter.empty
        if is_bare and name in _NEARLY_CONTEXT:
            raise self._error(f"{name!r} would be asked of the caller; write {name}: ExecutionContext")
        return False

    def _error(self, problem: str) -> DefinitionError:
        return DefinitionError(f"the parameter {problem}: {self._place}")


def _items_of(typed_dict: Any) -> dict[str, tuple[Any, bool]]:
    """The items of a TypedDict: of each its annotation, and whether it is required."""
    items: dict[str, tuple[Any, bool]] = {}
    for name, hint in typing.get_type_hints(typed_dict, include_extras=True).items():
        origin = get_origin(hint)
        if origin in (Required, NotRequired):
            items[name] = (get_args(hint)[0], origin is Required)
        else:
            items[name] = (hint, name in typed_dict.__required_keys__)
    return items


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


def _is_context_hint(hint: Any) -> bool:
    if isinstance(hint, str):
        return _WRITTEN_CONTEXT.fullmatch(hint.strip("'\" ")) is not None
    if get_origin(hint) is typing.Annotated:
        return _is_context_hint(get_args(hint)[0])
    bare, _ = without_none(hint)
    if bare is not hint and bare is not None:
        return _is_context_hint(bare)
    return isinstance(hint, type) and hint.__name__ == _CONTEXT_CLASS


def _shown_default(default: Any) -> Any:
    """The default as JSON; None for an object that JSON has no word for, and for a secret."""
    if isinstance(default, (SecretStr, SecretBytes)):
        return None
    shown = to_json(default)
    is_marker = isinstance(shown, str) and shown.startswith("<") and not isinstance(default, (str, Enum))
    return None if is_marker else shown
