"""What authors write with the decorators is what the registry knows."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from enum import Enum
from itertools import permutations
from typing import Any

import pytest

from shared.context import ExecutionContext
from shared.decorators import VALID_PARAM_TYPES, data_provider, param, resolve_parameters, workflow
from shared.errors import DefinitionError, DuplicateFunctionError
from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata, FunctionRegistry, get_registry, staging


@pytest.fixture(autouse=True)
def registry() -> Iterator[FunctionRegistry]:
    with staging(FunctionRegistry()) as fresh:
        yield fresh


def found(name: str) -> FunctionMetadata:
    metadata = get_registry().get_function(name)
    assert metadata is not None
    return metadata


def test_a_workflow_has_the_fields_of_its_decorator():
    @workflow(
        name="report",
        description="Writes a report",
        category="Reports",
        tags=["monthly"],
        execution_mode="sync",
        timeout_seconds=60,
        retry_policy={"max_attempts": 3},
        schedule="0 0 6 * * *",
        endpoint_enabled=True,
        allowed_methods=["get", "POST"],
        disable_global_key=True,
        public_endpoint=True,
        source="platform",
        verify="github:SECRET",
        dedupe_header="X-GitHub-Delivery",
    )
    def report() -> None: ...

    metadata = found("report")
    assert metadata.function is report
    assert metadata.description == "Writes a report"
    assert metadata.category == "Reports"
    assert metadata.tags == ["workflow", "monthly"]
    assert metadata.execution_mode == "sync"
    assert metadata.timeout_seconds == 60
    assert metadata.retry_policy == {"max_attempts": 3}
    assert metadata.schedule == "0 0 6 * * *"
    assert metadata.endpoint_enabled
    assert metadata.allowed_methods == ["GET", "POST"]
    assert metadata.disable_global_key
    assert metadata.public_endpoint
    assert metadata.source == "platform"
    assert (metadata.verify, metadata.dedupe_header) == ("github:SECRET", "X-GitHub-Delivery")


def test_what_is_left_out_has_the_documented_defaults():
    @workflow("plain")
    @data_provider("plain")
    def plain() -> None: ...

    metadata = found("plain")
    assert (metadata.description, metadata.category, metadata.execution_mode) == ("", "General", "async")
    assert (metadata.timeout_seconds, metadata.retry_policy, metadata.schedule) == (300, None, None)
    assert (metadata.endpoint_enabled, metadata.allowed_methods) == (False, ["POST"])
    assert (metadata.cache_ttl_seconds, metadata.cache_per) == (300, "organization")


def test_a_decorated_function_stays_callable_as_it_was():
    @workflow(name="double")
    @param("number", type="int")
    def double(number: int) -> int:
        return number * 2

    assert double(21) == 42
    assert double.__name__ == "double"


PARTS = {
    "workflow": workflow(name="both", category="Sales", tags=["own"], timeout_seconds=42),
    "data_provider": data_provider(name="both", description="Options", cache_ttl_seconds=7),
    "first": param("first", type="string", required=True),
    "second": param("second", type="int", default_value=2),
}


@pytest.mark.parametrize("order", list(permutations(PARTS)), ids="-".join)
def test_decorators_give_one_function_with_both_tags_in_any_order(order: tuple[str, ...]):
    def both(first: str, second: int = 1) -> None: ...

    for part in reversed(order):  # the last one applied is the uppermost
        PARTS[part](both)

    metadata = found("both")
    assert get_registry().get_all_functions() == [metadata]
    assert metadata.tags == ["workflow", "data_provider", "own"]
    assert (metadata.category, metadata.description) == ("Sales", "Options")
    assert (metadata.timeout_seconds, metadata.cache_ttl_seconds) == (42, 7)
    as_written = [part for part in order if part in ("first", "second")]
    assert [parameter.name for parameter in metadata.parameters] == as_written


def test_an_explicit_value_survives_the_other_decorators_default():
    @data_provider(name="kept")
    @workflow(name="kept", description="Said once", category="General")
    def kept() -> None: ...

    assert found("kept").description == "Said once"

    @workflow(name="kept_too")
    @data_provider(name="kept_too", description="Said here", category="Lists")
    def kept_too() -> None: ...

    assert (found("kept_too").description, found("kept_too").category) == ("Said here", "Lists")


def test_two_names_on_one_function_are_an_error_that_names_both():
    with pytest.raises(DefinitionError, match="'one' and 'two'"):

        @workflow(name="two")
        @data_provider(name="one")
        def function() -> None: ...


def test_two_functions_of_one_name_are_an_error_that_names_both_places():
    @workflow(name="twice")
    def first_place() -> None: ...

    with pytest.raises(DuplicateFunctionError, match=r"first_place, line \d+ and .*second_place, line \d+"):

        @data_provider(name="twice")
        def second_place() -> None: ...

    assert found("twice").function is first_place


def test_parameters_come_from_the_signature_when_none_is_declared():
    @workflow(name="signed")
    async def signed(
        context: ExecutionContext, name: str, count: int = 3, flags: list[str] | None = None, extra: Any = None
    ) -> None: ...

    parameters = {parameter.name: parameter for parameter in found("signed").parameters}
    assert list(parameters) == ["name", "count", "flags", "extra"]
    assert [parameters[name].type for name in parameters] == ["string", "int", "list", "json"]
    assert [parameters[name].required for name in parameters] == [True, False, False, False]
    assert parameters["count"].default_value == 3


def test_declared_parameters_take_the_place_of_the_signatures():
    @param("name", type="email", label="Mail")
    @workflow(name="declared")
    def declared(name: str, other: int = 1) -> None: ...

    assert [(parameter.name, parameter.type) for parameter in found("declared").parameters] == [("name", "email")]


@pytest.mark.parametrize("name", ["", "Upper", "1st", "_x", "with-dash", "with space", "a" * 64, "ünïcode", "x\n", 5])
def test_a_name_that_is_none_is_an_error_that_says_where(name: Any):
    def somewhere() -> None: ...

    with pytest.raises(DefinitionError, match=r"name .*somewhere, line \d+"):
        workflow(name=name)(somewhere)
    with pytest.raises(DefinitionError, match=r"name .*somewhere, line \d+"):
        data_provider(name=name)(somewhere)


@pytest.mark.parametrize("name", ["a", "a1_b", "a" * 63])
def test_names_up_to_63_characters_are_taken(name: str):
    workflow(name=name)(lambda: None)
    assert get_registry().has_workflow(name)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"execution_mode": "later"}, "execution_mode"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"timeout_seconds": "60"}, "timeout_seconds"),
        ({"allowed_methods": []}, "allowed_methods"),
        ({"allowed_methods": ["GET", "TRACE"]}, "allowed_methods"),
        ({"verify": "githup:SECRET"}, "did you mean 'github'"),
        ({"verify": 7}, "verify must be text"),
        ({"dedupe_header": "X Y"}, "dedupe_header"),
        ({"dedupe_header": "X-Id", "public_endpoint": True}, "needs verify"),
        ({"retry_policy": 3}, "retry_policy"),
        ({"retry_policy": {"attempts": 3}}, "attempts"),
        ({"retry_policy": {"max_attempts": 0}}, "max_attempts"),
        ({"retry_policy": {"max_attempts": 1.5}}, "max_attempts"),
        ({"retry_policy": {"backoff_seconds": -1}}, "backoff_seconds"),
    ],
)
def test_a_value_that_can_not_be_is_an_error_that_says_which_and_where(wrong: dict[str, Any], message: str):
    def somewhere() -> None: ...

    with pytest.raises(DefinitionError, match=rf"{message}.*somewhere, line \d+"):
        workflow(name="wrong", **wrong)(somewhere)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"cache_ttl_seconds": -1}, "cache_ttl_seconds"), ({"cache_per": "planet"}, "cache_per")]
)
def test_a_data_provider_value_that_can_not_be_is_an_error(wrong: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=message):
        data_provider(name="wrong", **wrong)(lambda: None)


@pytest.mark.parametrize("kind", VALID_PARAM_TYPES)
def test_every_parameter_type_of_the_contract_is_taken(kind: str):
    param("value", type=kind)(lambda value: None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "a b", "type": "string"}, "no Python name"),
        ({"name": "a", "type": "text"}, "type must be one of"),
        ({"name": "a", "type": "int", "validation": {"min": "low"}}, "min"),
        ({"name": "a", "type": "int", "validation": {"minimum": 1}}, "minimum"),
    ],
)
def test_a_parameter_that_can_not_be_is_an_error(wrong: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=message):
        param(**wrong)(lambda a: None)


def test_a_parameter_declared_twice_is_an_error():
    with pytest.raises(DefinitionError, match="'a' is declared twice"):

        @param("a", type="int")
        @param("a", type="string")
        def function(a: int) -> None: ...


def test_only_functions_can_be_decorated():
    with pytest.raises(DefinitionError, match="only functions"):
        workflow(name="number")(5)  # type: ignore[type-var]


def test_a_decorator_in_between_is_part_of_the_registered_function():
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return ["logged", function(*args, **kwargs)]

        return wrapper

    @workflow(name="wrapped")
    @logged
    @param("number", type="int")
    def wrapped(number: int) -> int:
        return number

    assert found("wrapped").function(number=1) == ["logged", 1]
    assert [parameter.name for parameter in found("wrapped").parameters] == ["number"]


def test_a_declared_parameter_that_the_function_does_not_have_is_found_when_the_file_is_loaded():
    @workflow(name="lost")
    @param("nmae", type="string")
    def lost(name: str = "") -> None: ...

    with pytest.raises(DefinitionError, match=r"@param\('nmae'\) is not in the signature of .*lost"):
        resolve_parameters(found("lost"))


def test_a_needed_parameter_without_declaration_is_found_when_the_file_is_loaded():
    @workflow(name="lacking")
    @param("name", type="string")
    def lacking(name: str, other: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"lacking.* needs 'other'"):
        resolve_parameters(found("lacking"))


def test_a_default_that_does_not_fit_the_annotation_is_found_when_the_file_is_loaded():
    @workflow(name="misfit")
    @param("numbers", type="list", default_value=["x"])
    def misfit(numbers: list[int]) -> None: ...

    with pytest.raises(DefinitionError, match=r"numbers: .*default"):
        resolve_parameters(found("misfit"))


class Later:
    """Stands for a class that a file defines after the functions that name it."""


def test_annotations_that_resolve_only_later_are_read_when_the_file_is_loaded():
    @workflow(name="forward")
    def forward(context: ExecutionContext, thing: Later | None = None) -> None: ...

    resolve_parameters(found("forward"))
    assert [(parameter.name, parameter.nullable) for parameter in found("forward").parameters] == [("thing", True)]


def test_a_declared_parameter_takes_the_signatures_default_whatever_that_is():
    class Mode(Enum):
        FAST = "fast"

    @workflow(name="defaults")
    @param("text", type="string")
    @param("mode", type="string", validation={"enum": ["slow", "fast"]})
    @param("nothing", type="int", validation={"min": 1})
    @param("number", type="int", default_value=7)
    def defaults(text: str = "x", mode: Mode = Mode.FAST, nothing=None, number: int = 5) -> None: ...  # type: ignore[no-untyped-def]

    metadata = found("defaults")
    resolve_parameters(metadata)
    assert [(p.name, p.default_value, p.required) for p in metadata.parameters] == [
        ("text", "x", False),
        ("mode", "fast", False),
        ("nothing", None, False),
        ("number", 7, False),
    ]
    # What the signature has, Python fills in by itself.
    assert plan_of(metadata).validator.validate({}) == {"number": 7}
