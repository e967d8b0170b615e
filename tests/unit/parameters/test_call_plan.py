"""How a function is called is worked out once, and kept with the function itself."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata


def needs(a: int) -> None: ...
async def takes(context: Any, b: int = 1) -> None: ...


def test_a_plan_is_made_once_and_anew_when_a_decorator_changes_the_function():
    metadata = FunctionMetadata("f", function=needs)
    plan = plan_of(metadata)
    assert plan_of(metadata) is plan
    assert (plan.takes_context, plan.is_async, plan.validator.takes("a")) == (False, False, True)
    metadata.function = takes
    changed = plan_of(metadata)
    assert (changed.takes_context, changed.is_async, changed.validator.takes("a")) == (True, True, False)


def test_functions_that_are_equal_by_value_and_have_no_hash_keep_plans_of_their_own():
    first, second = FunctionMetadata("f", function=needs), FunctionMetadata("f", function=needs)
    plan = plan_of(first)
    assert plan_of(first) is plan is not plan_of(second)
    assert first == second


def test_what_was_worked_out_of_a_function_is_no_part_of_it():
    derived = next(field for field in fields(FunctionMetadata) if field.name == "derived")
    assert (derived.init, derived.repr, derived.compare) == (False, False, False)
