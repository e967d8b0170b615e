"""A name that is nearly right gets a proposal, wherever it is written."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from shared.decorators import data_provider, param, workflow
from shared.errors import DefinitionError, InvalidInputError
from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata, FunctionRegistry
from shared.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("gret", "; did you mean 'greet'?"),
        ("Greet", "; did you mean 'greet'?"),
        ("offboard_user", "; did you mean 'offboard_users' or 'onboard_user'?"),
        ("nothing_like_it", ""),
        ("", ""),
    ],
)
def test_names_that_are_alike_are_proposed(name: str, proposal: str):
    assert did_you_mean(name, ["greet", "onboard_user", "offboard_users"]) == proposal


def test_a_name_of_any_length_is_answered_at_once():
    began = time.perf_counter()
    assert did_you_mean("x" * 10_000_000, [f"workflow_{number}" for number in range(500)]) == ""
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (lambda: workflow(execution_mod="sync"), "@workflow takes no 'execution_mod'; did you mean 'execution_mode'?"),
        (lambda: data_provider(cache_ttl=1), "@data_provider takes no 'cache_ttl'; did you mean 'cache_"),
        (lambda: param("a", type="string", lable="A"), "@param takes no 'lable'; did you mean 'label'?"),
        (lambda: workflow(zzz=1), "@workflow takes no 'zzz'; it takes name, description, "),
    ],
)
def test_an_unknown_argument_of_a_decorator_is_named_with_what_was_meant(decorate: Any, message: str):
    with pytest.raises(DefinitionError) as raised:
        decorate()
    assert message in str(raised.value)


def test_an_unknown_field_of_a_retry_policy_is_named_with_what_was_meant():
    with pytest.raises(DefinitionError, match="did you mean 'max_attempts'"):

        @workflow(retry_policy=cast("Any", {"max_attempt": 3}))
        def retried(): ...


def test_unknown_workflows_providers_and_parameters_are_answered_with_what_was_meant():
    def greet(first_name: str = "", last_name: str = ""): ...

    registry = FunctionRegistry()
    metadata = FunctionMetadata(name="greet", function=greet, tags=["workflow"])
    registry.register_function(metadata)
    registry.register_function(FunctionMetadata(name="greetings", function=print, tags=["data_provider"]))
    assert registry.why_missing("gret", "workflow") == "There is no workflow named 'gret'; did you mean 'greet'?"
    assert "did you mean 'greetings'?" in registry.why_missing("greeting", "data_provider")
    with pytest.raises(InvalidInputError) as raised:
        plan_of(metadata).validator.validate({"firstname": "Ada"})
    assert raised.value.errors[0]["msg"] == "There is no parameter 'firstname'; did you mean 'first_name'?"
