"""What pydantic's `Field(…)` says of a parameter, in `Annotated[…, Field(…)]` and as a default alike."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import AliasChoices, AliasPath, Field
from pydantic.fields import FieldInfo

from shared.parameters.defaults import Filler

# What stays with the type; the rest of a field is about the parameter.
_OF_THE_TYPE = ("discriminator", "examples", "json_schema_extra", "deprecated")


class FieldRefusedError(Exception):
    """A field says what a parameter can't have; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class FieldReading:
    """A parameter's annotation and default, with what fields say taken out of both.

    Attributes:
        annotation: with the fields' constraints; None for no annotation.
        has_default: whether it may be left out.
        default: its default, where that is a value.
        filler: gives the default where it comes from a field; None where Python fills it in.
        aliases: other names that callers may use.
        title, description: what people are shown.
    """

    annotation: Any
    has_default: bool
    default: Any = None
    filler: Filler | None = None
    aliases: Sequence[str] = ()
    title: str | None = None
    description: str | None = None


def read_fields(hint: Any, default: Any) -> FieldReading:
    """Reads the fields of a parameter.

    Args:
        hint: its annotation; None for none.
        default: as in `inspect.Parameter`.

    Raises:
        FieldRefusedError: a field is none of pydantic's, or has an alias that is no name.
    """
    if isinstance(default, dataclasses.Field):
        raise FieldRefusedError("a dataclass field is no default here; write pydantic's Field(default_factory=…)")
    metadata: list[Any] = list(get_args(hint)[1:]) if get_origin(hint) is Annotated else []
    # The one that stands as the default comes last: what it says counts.
    if isinstance(default, FieldInfo):
        metadata.append(default)
    fields = [found for found in metadata if isinstance(found, FieldInfo)]
    is_empty = default is inspect.Parameter.empty
    if not fields:
        return FieldReading(hint, not is_empty, None if is_empty else default)
    if not is_empty and not isinstance(default, FieldInfo):
        has_default, value, filler = True, default, None
    else:
        giving = next((found for found in reversed(fields) if not found.is_required()), None)
        has_default, value, filler = (True, _value_of(giving), _filler_of(giving)) if giving else (False, None, None)
    return FieldReading(
        annotation=_constrained(hint, metadata),
        has_default=has_default,
        default=value,
        filler=filler,
        aliases=[alias for found in fields for alias in _aliases_of(found)],
        title=next((found.title for found in reversed(fields) if found.title), None),
        description=next((found.description for found in reversed(fields) if found.description), None),
    )


def _constrained(hint: Any, metadata: Sequence[Any]) -> Any:
    """The annotation with the fields' constraints in the place of the fields."""
    bare: Any = get_args(hint)[0] if get_origin(hint) is typing.Annotated else hint
    found: Any = Any if bare is None else bare
    for each in metadata:
        for part in _about_the_type(each) if isinstance(each, FieldInfo) else (each,):
            found = Annotated[found, part]
    return None if found is Any else found


def _about_the_type(field: FieldInfo) -> list[Any]:
    kept: dict[str, Any] = {
        name: value for name in _OF_THE_TYPE if (value := cast("Any", getattr(field, name, None))) is not None
    }
    return [*field.metadata, Field(**kept)] if kept else list(field.metadata)


def _value_of(field: FieldInfo) -> Any:
    return field.default if field.default_factory is None else None


def _filler_of(field: FieldInfo) -> Filler:
    return lambda given: field.get_default(call_default_factory=True, validated_data=dict(given))


def _aliases_of(field: FieldInfo) -> list[str]:
    alias: Any = field.validation_alias if field.validation_alias is not None else field.alias
    choices: list[Any] = alias.choices if isinstance(alias, AliasChoices) else [] if alias is None else [alias]
    if any(isinstance(choice, AliasPath) for choice in choices):
        raise FieldRefusedError(
            "an alias that is a path is not read; give the parameter the structure, and take from it"
        )
    return [str(choice) for choice in choices]
