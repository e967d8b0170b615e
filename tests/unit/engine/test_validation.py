"""Input becomes the values that a function takes, or one answer that names everything wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shared.decorators import param, workflow
from shared.errors import DefinitionError, InvalidInputError
from shared.plans import plan_of
from shared.registry import FunctionMetadata, WorkflowParameter
from shared.signatures import read_signature
from shared.validation import build_validator, check_parameter


def validated(function: Callable[..., Any], **values: Any) -> dict[str, Any]:
    signature = read_signature(function)
    return build_validator(signature.parameters, signature.accepts_extra).validate(values)


def declared(parameter: WorkflowParameter, value: Any) -> Any:
    check_parameter(parameter)
    return build_validator([parameter], False).validate({parameter.name: value})[parameter.name]


def wrong(call: Callable[[], Any]) -> list[tuple[Any, str]]:
    with pytest.raises(InvalidInputError) as caught:
        call()
    json.dumps(caught.value.details)
    return [(error["loc"][0], error["type"]) for error in caught.value.errors]


GOOD: list[tuple[str, Any, Any]] = [
    ("string", "text", "text"),
    ("string", "", ""),
    ("int", 3, 3),
    ("int", "3", 3),
    ("int", " -3 ", -3),
    ("int", 3.0, 3),
    ("int", "9" * 100, int("9" * 100)),
    ("float", 1.5, 1.5),
    ("float", 1, 1.0),
    ("float", "1e3", 1000.0),
    ("bool", True, True),
    ("bool", "false", False),
    ("bool", "yes", True),
    ("bool", "off", False),
    ("bool", 1, True),
    ("bool", "0", False),
    ("json", {"a": 1}, {"a": 1}),
    ("json", '{"a": [1]}', {"a": [1]}),
    ("json", "5", 5),
    ("json", "text", "text"),
    ("json", [1], [1]),
    ("list", [1, "a"], [1, "a"]),
    ("list", "[1, 2]", [1, 2]),
    ("list", "a, b,c", ["a", "b", "c"]),
    ("list", "", []),
    ("list", "one", ["one"]),
    ("email", "a@b.example", "a@b.example"),
    ("email", "first.last+tag@sub.example.org", "first.last+tag@sub.example.org"),
]

BAD: list[tuple[str, Any]] = [
    ("string", 5),
    ("string", True),
    ("string", ["a"]),
    ("string", {}),
    ("int", "x"),
    ("int", 1.5),
    ("int", True),
    ("int", [1]),
    ("int", ""),
    ("int", "1.5"),
    ("float", "x"),
    ("float", "nan"),
    ("float", "inf"),
    ("float", False),
    ("float", {}),
    ("bool", "perhaps"),
    ("bool", 2),
    ("bool", []),
    ("bool", ""),
    ("json", "{broken"),
    ("json", "[1,"),
    ("json", '{"a": NaN}'),
    ("list", 5),
    ("list", {"a": 1}),
    ("list", "[1,"),
    ("list", True),
    ("email", "nobody"),
    ("email", "a@"),
    ("email", "@b.example"),
    ("email", "a b@c.example"),
    ("email", "a@b..example"),
    ("email", "x" * 250 + "@b.example"),
    ("email", 5),
    ("email", "a@b.example\n"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_each_type_takes_its_values_and_their_text(kind: str, value: Any, expected: Any):
    found = declared(WorkflowParameter("p", kind), value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_each_type_refuses_what_is_none_of_its_values(kind: str, value: Any):
    assert [loc for loc, _ in wrong(lambda: declared(WorkflowParameter("p", kind), value))] == ["p"]


@pytest.mark.parametrize(
    ("kind", "rules", "good", "bad"),
    [
        ("int", {"min": 1, "max": 3}, [1, "3"], [0, 4]),
        ("float", {"min": 0.5}, [0.5, 1], [0.4]),
        ("string", {"min_length": 2, "max_length": 3}, ["ab", "abc"], ["a", "abcd"]),
        ("string", {"pattern": "^[a-z]+$"}, ["abc"], ["ABC", ""]),
        ("string", {"pattern": "(?=.*1)(?=.*a)"}, ["a1"], ["a", "1"]),
        ("string", {"pattern": "b"}, ["abc"], ["ac"]),
        ("string", {"enum": ["a", "b"]}, ["a"], ["c", "A"]),
        ("int", {"enum": [1, 2]}, [1, "2"], [3]),
        ("bool", {"enum": [True]}, [True, "yes"], [False]),
        ("json", {"enum": [1, "a"]}, [1, "a"], [True, 2]),
        ("list", {"min_length": 1, "max_length": 2}, [[1], "a,b"], [[], [1, 2, 3]]),
        ("list", {"enum": ["a", "b"]}, [["a", "b"], "b"], [["a", "c"]]),
        ("email", {"pattern": "@example[.]org$"}, ["a@example.org"], ["a@example.com"]),
    ],
)
def test_each_rule_holds(kind: str, rules: dict[str, Any], good: list[Any], bad: list[Any]):
    parameter = WorkflowParameter("p", kind, validation=rules)
    for value in good:
        declared(parameter, value)
    for value in bad:
        assert wrong(lambda value=value: declared(parameter, value))


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("int", {"min_length": 1}), ("string", {"min": 1}), ("bool", {"max": 1}), ("int", {"minimum": 1}),
        ("int", {"min": "1"}), ("int", {"max": True}), ("string", {"min_length": -1}), ("string", {"max_length": 1.5}),
        ("string", {"pattern": "("}), ("string", {"pattern": 5}), ("string", {"enum": []}), ("string", {"enum": "abc"}),
    ],
)  # fmt: skip
def test_a_rule_that_can_not_be_is_an_error_that_names_parameter_and_rule(kind: str, rules: dict[str, Any]):
    with pytest.raises(DefinitionError, match=rf"p: .*{next(iter(rules))}"):
        check_parameter(WorkflowParameter("p", kind, validation=rules))


def test_a_default_that_does_not_fit_is_an_error_of_the_definition():
    with pytest.raises(DefinitionError, match="p: the default value does not fit"):
        check_parameter(WorkflowParameter("p", "int", default_value="x", has_default=True))


def test_all_that_is_wrong_is_named_in_one_answer():
    def function(a: int, b: float, c: str = "x") -> None: ...

    assert wrong(lambda: validated(function, b="x", c=5, d=1, e=None)) == [
        ("a", "missing"),
        ("b", "float_parsing"),
        ("c", "string_type"),
        ("d", "unknown_parameter"),
        ("e", "unknown_parameter"),
    ]


def test_errors_do_not_repeat_the_input():
    with pytest.raises(InvalidInputError) as caught:
        declared(WorkflowParameter("p", "int"), "secret" * 1000)
    assert "secret" not in json.dumps(caught.value.details)
    assert "secret" not in caught.value.message


def test_kwargs_take_what_is_not_declared():
    def function(a: int, **rest: Any) -> None: ...

    assert validated(function, a="1", b="2", c=None) == {"a": 1, "b": "2", "c": None}


def test_null_counts_as_not_given_unless_none_is_a_value():
    def function(a: int = 1, b: int | None = 2, c: Any = 3) -> None: ...

    assert validated(function, a=None, b=None, c=None) == {"b": None, "c": None}

    def needed(a: int) -> None: ...

    assert wrong(lambda: validated(needed, a=None)) == [("a", "missing")]


class Colour(Enum):
    RED = "red"


class Order(BaseModel):
    number: str
    amount: Annotated[Decimal, Field(gt=0)]


@dataclass
class Place:
    city: str
    zip: int = 0


def test_annotations_are_what_pydantic_makes_of_them():
    def function(
        items: list[int],
        order: Order,
        place: Place,
        colour: Colour,
        day: date,
        mode: Literal["a", "b"],
        bare,
        text: str | int = 1,
    ) -> None: ...  # type: ignore[no-untyped-def]

    values = validated(
        function,
        items="[1, 2]",
        order='{"number": "x", "amount": "1.5"}',
        place={"city": "Bern"},
        colour="red",
        day="2026-01-02",
        mode="a",
        bare="5",
    )
    assert values == {
        "items": [1, 2],
        "order": Order(number="x", amount=Decimal("1.5")),
        "place": Place("Bern"),
        "colour": Colour.RED,
        "day": date(2026, 1, 2),
        "mode": "a",
        "bare": "5",
    }
    with pytest.raises(InvalidInputError) as caught:
        validated(
            function,
            items=["x"],
            order={"number": "x", "amount": 0},
            place={},
            colour="blue",
            day="?",
            mode="c",
            bare=1,
        )
    assert [error["loc"] for error in caught.value.errors] == [
        ["items", 0], ["order", "amount"], ["place", "city"], ["colour"], ["day"], ["mode"],
    ]  # fmt: skip


def test_a_declared_json_parameter_becomes_the_annotated_class():
    @param("order", type="json", required=True)
    @param("places", type="list")
    def function(order: Order, places: list[Place]) -> None: ...

    workflow(name="typed")(function)
    metadata = function.__workflow_definition__.metadata  # type: ignore[attr-defined]
    values = plan_of(metadata).validator.validate(
        {"order": {"number": "x", "amount": 1}, "places": '[{"city": "Bern"}]'}
    )
    assert values == {"order": Order(number="x", amount=Decimal(1)), "places": [Place("Bern")]}


class Unusual:
    """No schema can be made for it."""


def test_an_annotation_without_a_schema_takes_any_value():
    def function(thing: Unusual) -> None: ...

    assert validated(function, thing="anything") == {"thing": "anything"}


def test_the_signatures_default_is_pythons_to_fill_in():
    def function(a: Decimal = Decimal("1.5")) -> None: ...

    assert validated(function) == {}


def test_params_own_default_is_filled_in_and_never_shared():
    parameter = WorkflowParameter("p", "list", default_value=["a"], has_default=True)
    validator = build_validator([parameter], False)
    first = validator.validate({})["p"]
    first.append("b")
    assert validator.validate({})["p"] == ["a"]


def test_a_required_parameter_with_a_default_of_its_own_may_be_left_out():
    parameter = WorkflowParameter("p", "string", required=True, default_value="x", has_default=True)
    assert build_validator([parameter], False).validate({}) == {"p": "x"}


def test_an_optional_parameter_without_any_default_is_none():
    assert build_validator([WorkflowParameter("p", "string")], False).validate({}) == {"p": None}


def test_required_in_the_declaration_counts_even_when_the_signature_has_a_default():
    @param("p", type="string", required=True)
    def function(p: str = "x") -> None: ...

    workflow(name="strict")(function)
    metadata = function.__workflow_definition__.metadata  # type: ignore[attr-defined]
    assert wrong(lambda: plan_of(metadata).validator.validate({})) == [("p", "missing")]


@pytest.mark.parametrize("signature", ["*args", "a, /"])
def test_parameters_that_can_not_be_given_by_name_are_refused(signature: str):
    scope: dict[str, Any] = {}
    exec(f"def function({signature}): ...", scope)
    with pytest.raises(DefinitionError, match="can't be given by name"):
        read_signature(scope["function"])


def test_a_function_is_planned_once_and_again_when_its_parameters_change():
    def function(a: int) -> None: ...

    metadata = FunctionMetadata(name="f", function=function)
    plan = plan_of(metadata)
    assert plan_of(metadata) is plan
    metadata.parameters = [WorkflowParameter("a", "string")]
    assert plan_of(metadata) is not plan


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


@given(st.sampled_from(["string", "int", "bool", "float", "json", "list", "email"]), JSON)
def test_whatever_comes_in_is_taken_or_refused_and_nothing_else(kind: str, value: Any):
    try:
        build_validator([WorkflowParameter("p", kind)], False).validate({"p": value})
    except InvalidInputError as error:
        json.dumps(error.details)
