"""What an annotation says beyond being one: the type's name for people and forms, and the choices that it leaves."""

from __future__ import annotations

import collections.abc
import types
import typing
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, NewType, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import SecretStr
from typing_extensions import TypeAliasType

_NAMES: dict[Any, str] = {
    str: "string",
    int: "int",
    float: "float",
    bool: "bool",
    date: "date",
    datetime: "datetime",
    # Of these JSON has text or a number, whatever Python makes of it.
    Decimal: "float",
    SecretStr: "string",
    UUID: "string",
    time: "string",
    Path: "string",
    PurePath: "string",
}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)


def without_none(hint: Any) -> tuple[Any, bool]:
    """An annotation without the None that its union has, and whether it admits None; None for no annotation."""
    if get_origin(hint) is typing.Annotated:
        return hint, without_none(get_args(hint)[0])[1]
    if hint is None or hint is type(None):
        return None, hint is type(None)
    if get_origin(hint) in (Union, types.UnionType):
        members = get_args(hint)
        rest = [member for member in members if member is not type(None)]
        return (rest[0] if len(rest) == 1 else hint), len(rest) < len(members)
    if get_origin(hint) is typing.Literal:
        return hint, None in get_args(hint)
    return hint, hint is Any


def bare(annotation: Any) -> Any:
    """The annotation itself: without None, the notes of `Annotated`, and names that stand for another annotation."""
    while True:
        inner = without_none(annotation)[0]
        if get_origin(inner) is typing.Annotated:
            inner = get_args(inner)[0]
        elif isinstance(inner, NewType):
            inner = inner.__supertype__
        elif isinstance(inner, TypeAliasType):
            inner = inner.__value__
        if inner is annotation:
            return inner
        annotation = inner


def type_name(annotation: Any) -> str:
    """The name of the type in `shared.decorators.VALID_PARAM_TYPES` that comes closest."""
    found = bare(annotation)
    if is_list(found):
        return "list"
    choices = choices_in(found)
    if choices is not None:
        kinds = {_NAMES.get(type(choice)) for choice in choices if choice is not None}
        return (kinds.pop() or "json") if len(kinds) == 1 else "json"
    return _NAMES.get(found, "json") if isinstance(found, collections.abc.Hashable) else "json"


def is_list(annotation: Any) -> bool:
    """Whether values are lists, as JSON has them."""
    found = bare(annotation)
    return (get_origin(found) or found) in _LISTS


def takes_list(annotation: Any) -> bool:
    """Whether values are lists, or may be."""
    found = bare(annotation)
    return is_list(found) or any(takes_list(member) for member in _members(found))


def is_union(annotation: Any) -> bool:
    """Whether values are of one of several types, None aside."""
    return bool(_members(bare(annotation)))


def is_secret(annotation: Any) -> bool:
    """Whether values are not to be shown."""
    return bare(annotation) is SecretStr


def choices_in(annotation: Any) -> list[Any] | None:
    """The values, as JSON has them, that a Literal or an Enum leaves, or a union of them; None for anything else."""
    found = bare(annotation)
    if get_origin(found) is typing.Literal:
        return [_value(choice) for choice in get_args(found)]
    if isinstance(found, type) and issubclass(found, Enum):
        return [_value(member) for member in found] or None
    members = [choices_in(member) for member in _members(found)]
    if not members or None in members:
        return None
    return [choice for choices in members for choice in cast("list[Any]", choices)]


def choices_of_items(annotation: Any) -> list[Any] | None:
    """As `choices_in`, of the items of a list."""
    found = bare(annotation)
    arguments = [each for each in get_args(found) if each is not Ellipsis]
    return choices_in(arguments[0]) if is_list(found) and len(arguments) == 1 else None


def _members(found: Any) -> list[Any]:
    if get_origin(found) not in (Union, types.UnionType):
        return []
    return [member for member in get_args(found) if member is not type(None)]


def _value(choice: Any) -> Any:
    return choice.value if isinstance(choice, Enum) else choice
