"""Parameters that an author declares secret by pydantic's `SecretStr` and its like: finding and masking them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from shared.logs.masking import MASK, SecretMask

_SECRETS = (SecretStr, SecretBytes, Secret)


def may_hold_secrets(annotation: Any) -> bool:
    """Whether values of an annotation are secrets or may have some within."""
    return _may_hold(annotation, set())


def secrets_in(value: Any) -> frozenset[str]:
    """The texts of all secrets in validated values."""
    return frozenset(text for text in _secrets_in(value, set()) if text)


def without_secrets(value: Any, secrets: Collection[str]) -> Any:
    """JSON without the secrets: a value that is one is masked however short it is, and text that has one in it."""
    mask = SecretMask(secrets)

    def masked(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: masked(item) for name, item in cast("dict[str, Any]", part).items()}
        if isinstance(part, list):
            return [masked(item) for item in cast("list[Any]", part)]
        if isinstance(part, str):
            return MASK if part in secrets else mask.text(part)
        is_number = isinstance(part, (int, float)) and not isinstance(part, bool)
        return MASK if is_number and str(part) in secrets else part

    return masked(value)


def _may_hold(annotation: Any, seen: set[int]) -> bool:
    if id(annotation) in seen:
        return False
    seen.add(id(annotation))
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type):
        if issubclass(origin, _SECRETS):
            return True
        if any(_may_hold(inner, seen) for inner in _fields_of(cast("type[Any]", origin))):
            return True
    return any(_may_hold(inner, seen) for inner in get_args(annotation))


def _fields_of(kind: type[Any]) -> Iterable[Any]:
    """The annotations of what a class of structured values holds."""
    if issubclass(kind, BaseModel):
        return [field.annotation for field in kind.model_fields.values()]
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or hasattr(kind, "_fields"):
        try:
            return list(typing.get_type_hints(kind, include_extras=True).values())
        except Exception:  # noqa: BLE001 - an annotation that can't be resolved; evaluating it may raise anything
            return []
    return []


def _secrets_in(value: Any, seen: set[int]) -> Iterable[str]:
    if isinstance(value, (str, int, float, bool, type(None))) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, _SECRETS):
        secret: Any = cast("Any", value).get_secret_value()
        yield secret.decode("utf-8", "replace") if isinstance(secret, bytes) else str(secret)
    elif isinstance(value, Mapping):
        for item in cast("Mapping[Any, Any]", value).values():
            yield from _secrets_in(item, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in cast("Iterable[Any]", value):
            yield from _secrets_in(item, seen)
    elif isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        for item in list(vars(value).values()) if hasattr(value, "__dict__") else []:
            yield from _secrets_in(item, seen)
