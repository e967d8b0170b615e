"""The registry finds functions by name and by tag."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import DuplicateFunctionError
from shared.registry import FunctionMetadata, FunctionRegistry, get_registry, staging


def metadata(name: str, *tags: str) -> FunctionMetadata:
    def function(**_: Any) -> None: ...

    return FunctionMetadata(name=name, function=function, tags=list(tags))


@pytest.fixture
def registry() -> FunctionRegistry:
    registry = FunctionRegistry()
    for name, tags in {"b": ["workflow"], "a": ["workflow", "data_provider"], "c": ["data_provider"]}.items():
        registry.register_function(metadata(name, *tags))
    return registry


def test_functions_are_listed_by_name(registry: FunctionRegistry):
    assert [function.name for function in registry.get_all_functions()] == ["a", "b", "c"]


def test_a_function_with_both_tags_is_a_workflow_and_a_data_provider(registry: FunctionRegistry):
    assert [function.name for function in registry.get_all_workflows()] == ["a", "b"]
    assert [function.name for function in registry.get_all_data_providers()] == ["a", "c"]
    assert (registry.get_workflow_count(), registry.get_data_provider_count()) == (2, 2)
    assert registry.get_workflow("a") is registry.get_data_provider("a") is registry.get_function("a")


def test_a_function_without_the_tag_is_not_found_by_it(registry: FunctionRegistry):
    assert registry.get_workflow("c") is None
    assert not registry.has_workflow("c")
    assert registry.has_data_provider("c")
    assert registry.get_data_provider("b") is None
    assert registry.get_function("nobody") is None


def test_the_same_function_may_be_registered_again_and_another_of_its_name_may_not(registry: FunctionRegistry):
    known = registry.get_function("a")
    assert known is not None
    registry.register_function(known)
    with pytest.raises(DuplicateFunctionError, match="two functions are named 'a'"):
        registry.register_function(metadata("a", "workflow"))


def test_clearing_forgets_everything(registry: FunctionRegistry):
    registry.clear_all()
    assert registry.get_all_functions() == []


def test_a_list_that_somebody_holds_stays_as_it_was_when_the_functions_are_replaced(registry: FunctionRegistry):
    before = registry.get_all_functions()
    registry.replace_all(FunctionRegistry())
    assert len(before) == 3
    assert registry.get_all_functions() == []


def test_inside_staging_the_registry_is_another():
    outside = get_registry()
    with staging(FunctionRegistry()) as inside:
        assert get_registry() is inside is not outside
    assert get_registry() is outside
