"""Annotations that say what can't be: told when a file is loaded, and not at each call."""

from __future__ import annotations

import typing
from datetime import date, datetime
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
from pydantic_core import SchemaError

from shared.errors import DefinitionError
from shared.parameters.annotations import type_name, without_none
from shared.parameters.types import supported
from shared.registry import WorkflowParameter

_SCALARS = (str, int, float, bool, date, datetime)
# Constraints that pydantic takes for these types, and then finds no value that they could be applied to.
_OF_SIZES = (Ge, Gt, Le, Lt, MultipleOf)
_OF_LENGTHS = (MinLen, MaxLen)
_MISFITS: dict[str, tuple[type, ...]] = {
    "string": _OF_SIZES,
    "list": _OF_SIZES,
    "int": _OF_LENGTHS,
    "float": _OF_LENGTHS,
    "bool": _OF_LENGTHS,
}


def check_annotation(parameter: WorkflowParameter) -> None:
    """Checks what the signature says of a parameter, when all of its file is there.

    Raises:
        DefinitionError: the annotation has a constraint that its type can't have, or is a class that nothing which a
            caller sends could become.
    """
    annotation, name = parameter.annotation, parameter.name
    plain, _ = without_none(annotation)
    # Each adapter costs a cold start a tenth of a millisecond and more.
    if any(plain is each for each in (None, Any, list, dict, *_SCALARS)):
        return
    constraints = set(map(type, typing.get_args(annotation)[1:])) if typing.get_origin(annotation) is Annotated else ()
    misfit = next((each for each in constraints if each in _MISFITS.get(type_name(annotation), ())), None)
    if misfit is not None:
        words = "ge, gt, le, lt or multiple_of" if misfit in _OF_SIZES else "min_length or max_length"
        raise DefinitionError(f"{name}: a parameter of type {type_name(annotation)} can't have {words}")
    try:
        TypeAdapter(supported(annotation)).rebuild(raise_errors=True)
    except (PydanticUndefinedAnnotation, NameError):
        return
    except PydanticSchemaGenerationError:
        if parameter.required and parameter.from_signature:
            problem = "nothing that a caller sends becomes one; write a pydantic model, a dataclass or a plain type"
            raise DefinitionError(f"{name}: {str(annotation)[:80]} can't be asked of a caller: {problem}") from None
    except (PydanticUserError, SchemaError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DefinitionError(f"{name}: the annotation can't be used: {reason}") from None
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here; then it is no schema
        return
