"""The plan's own examples, as a reader of it would write them: what the former system's authors and tests rely on."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

from shared.context import Caller, ExecutionContext, Organization
from shared.decorators import VALID_PARAM_TYPES, data_provider, metadata_of, param, workflow
from shared.engine import ExecutionRequest, ExecutionResult, execute
from shared.errors import DefinitionError, DuplicateFunctionError
from shared.models import ExecutionStatus
from shared.registry import FunctionMetadata, FunctionRegistry, WorkflowParameter, get_registry

USER = Caller("u1", "u1@example.com", "User One")


def metadata(function: Any) -> FunctionMetadata:
    found = metadata_of(function)
    assert found is not None
    return found


def positional(made: type) -> list[str]:
    kinds = inspect.signature(made).parameters.values()
    return [parameter.name for parameter in kinds if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]


def test_metadata_has_the_plans_positional_order_and_defaults():
    assert positional(FunctionMetadata)[:7] == [
        "name",
        "description",
        "category",
        "tags",
        "execution_mode",
        "timeout_seconds",
        "function",
    ]
    made = FunctionMetadata("greet")
    assert (made.description, made.category, made.tags) == ("", "General", [])
    assert (made.execution_mode, made.timeout_seconds, made.function) == ("async", 300, None)


def test_requests_and_results_have_the_plans_positional_order():
    assert positional(ExecutionRequest) == [
        *("execution_id", "caller", "organization", "config", "code", "name", "parameters", "transient", "no_cache"),
    ]
    assert positional(ExecutionResult) == [
        *("execution_id", "status", "result", "duration_ms", "logs", "variables", "state_snapshots"),
        *("integration_calls", "error_message", "error_type", "cached", "cache_expires_at"),
    ]
    request = ExecutionRequest("id", USER, None, {"k": 1}, None, "greet", {"a": 1}, True)
    assert (request.config, request.name, request.parameters, request.transient) == ({"k": 1}, "greet", {"a": 1}, True)


def test_metadata_and_parameters_compare_by_value():
    assert FunctionMetadata("a", tags=["workflow"]) == FunctionMetadata("a", tags=["workflow"])
    assert FunctionMetadata("a") != FunctionMetadata("b")
    assert WorkflowParameter("name", "string") == WorkflowParameter("name", "string")
    assert WorkflowParameter("name", "string") != WorkflowParameter("name", "int")


@pytest.mark.parametrize("provider_first", [True, False])
def test_both_decorators_in_any_order_make_one_function_with_both_tags(provider_first: bool):
    @param("department", type="string", required=True)
    def users(department: str) -> list[str]:
        return [department]

    decorators = [workflow(name="users", description="Lists users"), data_provider(name="users", cache_ttl_seconds=60)]
    for decorate in decorators if not provider_first else reversed(decorators):
        decorate(users)
    found = get_registry().get_function("users")
    assert found is metadata(users)
    assert sorted(found.tags) == ["data_provider", "workflow"]
    assert (found.description, found.cache_ttl_seconds) == ("Lists users", 60)
    assert [parameter.name for parameter in found.parameters] == ["department"]
    assert get_registry().get_workflow("users") is get_registry().get_data_provider("users") is found
    assert users("hr") == ["hr"]


def test_the_tag_data_provider_on_a_workflow_makes_it_both():
    @workflow(name="tagged", tags=["data_provider", "mine"])
    def tagged() -> list[str]:
        return []

    assert metadata(tagged).tags == ["workflow", "data_provider", "mine"]
    assert get_registry().has_data_provider("tagged")


def test_registering_the_same_function_again_merges_what_is_said_of_it():
    def users() -> list[str]:
        return []

    registry = FunctionRegistry()
    registry.register_function(FunctionMetadata("users", "Lists users", tags=["workflow"], function=users))
    registry.register_function(
        FunctionMetadata("users", "Other words", "HR", ["data_provider"], timeout_seconds=60, function=users)
    )
    merged = registry.get_function("users")
    assert merged is not None
    # The first to set a field wins; what is the class's default counts as not set.
    assert (merged.tags, merged.description) == (["workflow", "data_provider"], "Lists users")
    assert (merged.category, merged.timeout_seconds) == ("HR", 60)
    assert (registry.get_workflow_count(), registry.get_data_provider_count()) == (1, 1)


def test_metadata_of_no_function_merges_with_that_of_one_in_either_order():
    def users() -> list[str]:
        return []

    told = FunctionMetadata("users", tags=["data_provider"])
    for first, second in ((told, None), (None, told)):
        registry = FunctionRegistry()
        for each in (first, second):
            registry.register_function(each or FunctionMetadata("users", tags=["workflow"], function=users))
        merged = registry.get_function("users")
        assert merged is not None
        assert (set(merged.tags), merged.function) == ({"workflow", "data_provider"}, users)
        told = FunctionMetadata("users", tags=["data_provider"])


def test_two_different_functions_of_one_name_are_an_error_all_the_same():
    registry = FunctionRegistry()
    registry.register_function(FunctionMetadata("users", function=list))
    with pytest.raises(DuplicateFunctionError):
        registry.register_function(FunctionMetadata("users", function=dict))


async def test_metadata_without_a_function_is_not_run():
    get_registry().register_function(FunctionMetadata("users", tags=["workflow"]))
    with pytest.raises(ValueError, match="no workflow named 'users'"):
        await execute(ExecutionRequest("id", USER, name="users", use="workflow"))


def test_a_bare_decorator_takes_name_and_description_from_the_function():
    @workflow
    def first_name(first_name: str) -> str:
        """Says a first name.

        More of it.
        """
        return first_name

    @workflow(execution_mode="sync")
    def told() -> None: ...

    @data_provider
    def colours() -> list[str]:
        """The colours."""
        return ["red"]

    assert (metadata(first_name).name, metadata(first_name).description) == ("first_name", "Says a first name.")
    assert (metadata(told).name, metadata(told).description) == ("told", "")
    assert (metadata(colours).name, metadata(colours).tags) == ("colours", ["data_provider"])
    assert first_name("Ada") == "Ada"


def test_a_bare_decorator_on_a_name_that_can_not_be_says_where():
    with pytest.raises(DefinitionError, match=r"name 'Upper' .*line \d+"):

        @workflow
        def Upper() -> None: ...


def test_a_label_that_is_left_out_is_the_name_in_words():
    @workflow(name="labels")
    @param("first_name", type="string")
    @param("org", type="string", label="Organization")
    def labels(first_name: str, org: str) -> None: ...

    @workflow(name="read")
    def read(due_date_2: str) -> None: ...

    assert [parameter.label for parameter in metadata(labels).parameters] == ["First Name", "Organization"]
    assert [parameter.label for parameter in metadata(read).parameters] == ["Due Date 2"]


def test_a_definition_error_is_a_value_error():
    with pytest.raises(ValueError, match="type must be one of"):
        param("a", type="text")(lambda a: a)
    assert VALID_PARAM_TYPES[:4] == ("string", "int", "bool", "float")


def test_a_context_is_made_by_keywords_as_an_authors_test_makes_it():
    organization = Organization(id="org-1", name="Acme")
    for configured in ({"config": {"key": "value"}}, {"_config": {"key": "value"}}):
        context = ExecutionContext(
            user_id="u1",
            email="u1@example.com",
            name="User One",
            scope="org-1",
            organization=organization,
            execution_id="exec-1",
            **configured,
        )
        assert (context.user_id, context.email, context.name) == ("u1", "u1@example.com", "User One")
        assert (context.scope, context.org_id, context.org_name, context.is_global_scope) == (
            *("org-1", "org-1", "Acme"),
            False,
        )
        assert (context.execution_id, context.get_config("key"), context.has_config("none")) == (
            *("exec-1", "value"),
            False,
        )
    empty = ExecutionContext(user_id="u", email="", name="", scope="GLOBAL", organization=None, execution_id="e")
    assert (empty.is_global_scope, empty.org_id, empty.attempt, empty.cancelled) == (True, None, 1, False)
    empty.info("a line", n=1)
    empty.save_checkpoint("half", {"n": 1})


async def test_the_engine_runs_a_function_a_script_and_a_provider_whose_answer_it_caches():
    runs: list[str] = []

    @workflow(name="greet", execution_mode="sync")
    async def greet(context: ExecutionContext, name: str) -> dict[str, str]:
        return {"greeting": f"Hello, {name}", "by": context.user_id}

    @data_provider(name="colours")
    async def colours() -> list[str]:
        runs.append("colours")
        return ["red"]

    result = await execute(ExecutionRequest("1", USER, name="greet", parameters={"name": "Ada"}))
    assert (result.status, result.result) == (ExecutionStatus.SUCCESS, {"greeting": "Hello, Ada", "by": "u1"})
    assert isinstance(result.duration_ms, int)
    script = await execute(ExecutionRequest("2", USER, code="eCA9IDE=", name="mine"))
    assert (script.status, script.variables) == (ExecutionStatus.SUCCESS, {"x": 1})
    first, again = [
        await execute(ExecutionRequest(str(number), USER, name="colours", use="data_provider")) for number in (3, 4)
    ]
    assert (first.cached, again.cached, again.execution_id, runs) == (False, True, "4", ["colours"])
    assert [option["value"] for option in again.result] == ["red"]
    assert again.cache_expires_at is not None
    with pytest.raises(ValueError, match="nobody"):
        await execute(ExecutionRequest("5", USER, name="nobody"))
    with pytest.raises(ValueError, match="code or the name"):
        await execute(ExecutionRequest("6", USER))


def test_what_is_worked_out_of_a_function_is_no_part_of_its_value():
    assert [field.name for field in fields(FunctionMetadata) if not field.compare] == ["derived"]
