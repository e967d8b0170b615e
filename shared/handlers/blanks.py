"""Values that come as text, from queries and from HTML's forms, which have no word for a field that is left empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from shared.parameters.json_schema import parameters_of
from shared.parameters.types import value_type
from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata, WorkflowParameter

_REFUSING = "parameters_refusing_blanks"


def without_blanks(values: Mapping[str, Any], metadata: FunctionMetadata) -> dict[str, Any]:
    """The values less the blank ones of parameters that a blank can't be a value of, such as a number: as in a form,
    these are not given.
    """
    if "" not in values.values():
        return dict(values)
    refusing = _refusing_blanks(metadata)
    return {name: value for name, value in values.items() if not (value == "" and name in refusing)}


def _refusing_blanks(metadata: FunctionMetadata) -> frozenset[str]:
    plan = plan_of(metadata)
    known: tuple[object, frozenset[str]] | None = metadata.derived.get(_REFUSING)
    if known is not None and known[0] is plan:
        return known[1]
    parameters, _ = parameters_of(metadata)
    found = frozenset(parameter.name for parameter in parameters if not _takes_blank(parameter))
    metadata.derived[_REFUSING] = (plan, found)
    return found


def _takes_blank(parameter: WorkflowParameter) -> bool:
    try:
        TypeAdapter[Any](value_type(parameter)).validate_python("")
    except Exception:  # noqa: BLE001 - a validator of the author's own may raise anything
        return False
    return True
