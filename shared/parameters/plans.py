"""How a function is called: worked out once per function, not once per call."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from shared.parameters.signatures import read_signature
from shared.parameters.validation import ParameterValidator, build_validator
from shared.registry import FunctionMetadata


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What a call of the function needs to know."""

    validator: ParameterValidator
    takes_context: bool
    is_async: bool


_plans: WeakKeyDictionary[FunctionMetadata, tuple[object, object, CallPlan]] = WeakKeyDictionary()


def plan_of(metadata: FunctionMetadata) -> CallPlan:
    """The function's plan, made on the first call and again when a decorator has changed the metadata since."""
    known = _plans.get(metadata)
    if known is not None and known[0] is metadata.function and known[1] is metadata.parameters:
        return known[2]
    signature = read_signature(metadata.function)
    plan = CallPlan(
        validator=build_validator(
            metadata.parameters or signature.parameters, signature.accepts_extra, signature.context_name
        ),
        takes_context=signature.takes_context,
        is_async=inspect.iscoroutinefunction(metadata.function),
    )
    _plans[metadata] = (metadata.function, metadata.parameters, plan)
    return plan
