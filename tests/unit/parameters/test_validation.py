"""Input becomes arguments, or one refusal that names every parameter that is wrong."""

from __future__ import annotations

import enum
import json
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, TypeAdapter, field_validator

from shared.errors import DefinitionError, FieldError, InvalidInputError
from shared.parameters import validation
from shared.parameters.signatures import read_signature
from shared.parameters.types import check_parameter, offered_choices
from shared.parameters.validation import ParameterValidator
from shared.registry import FunctionMetadata, WorkflowParameter


def declared(kind: str, name: str = "p", **fields: Any) -> WorkflowParameter:
    """What `@param` makes."""
    fields.setdefault("has_default", fields.get("default_value") is not None)
    parameter = WorkflowParameter(name=name, type=kind, **fields)
    check_parameter(parameter)
    return parameter


def validator_of(function: Callable[..., Any]) -> ParameterValidator:
    signature = read_signature(function)
    return ParameterValidator(signature.parameters, signature.accepts_extra)


def taking(annotation: Any) -> ParameterValidator:
    """The validator of a function with one parameter `p` that is annotated so."""

    def function(p):  # type: ignore[no-untyped-def]
        ...

    function.__annotations__["p"] = annotation
    return validator_of(function)


def refusal(validator: ParameterValidator, values: dict[str, Any]) -> list[FieldError]:
    with pytest.raises(InvalidInputError) as caught:
        validator.validate(values)
    json.dumps(caught.value.details, allow_nan=False).encode()
    return caught.value.errors


def one(parameter: WorkflowParameter) -> ParameterValidator:
    return ParameterValidator([parameter], accepts_extra=False)


LONGEST_EMAIL = "a" * 60 + "@" + ".".join(["b" * 63] * 2 + ["c" * 63, "d"])


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        ("string", "a", "a"),
        ("string", "", ""),
        ("string", "5", "5"),
        ("int", 5, 5),
        ("int", "5", 5),
        ("int", " -5 ", -5),
        ("int", 3.0, 3),
        ("int", 10**400, 10**400),
        ("float", 1, 1.0),
        ("float", "1.5", 1.5),
        ("float", "-1e3", -1000.0),
        ("bool", True, True),
        ("bool", "true", True),
        ("bool", "FALSE", False),
        ("bool", "1", True),
        ("bool", 0, False),
        ("bool", "yes", True),
        ("bool", "no", False),
        ("bool", "on", True),
        ("bool", "off", False),
        ("json", {"a": [1]}, {"a": [1]}),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("json", " [1]", [1]),
        ("json", "5", 5),
        ("json", "[1.5]", [1.5]),
        ("json", "null", None),
        ("json", '"text"', "text"),
        ("json", "plain text", "plain text"),
        ("json", "NaN", "NaN"),
        ("json", "1e999", "1e999"),
        ("json", "", ""),
        ("json", 5, 5),
        ("json", False, False),
        ("list", [1, "a"], [1, "a"]),
        ("list", (1, 2), [1, 2]),
        ("list", "a, b,c", ["a", "b", "c"]),
        ("list", "a", ["a"]),
        ("date", "2026-03-01", date(2026, 3, 1)),
        ("date", "2026-03-01T00:00:00", date(2026, 3, 1)),
        ("datetime", "2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("datetime", "2026-03-01 10:00", datetime(2026, 3, 1, 10)),  # noqa: DTZ001 - none was sent
        ("list", "", []),
        ("list", " ", []),
        ("list", '["a, b", 1]', ["a, b", 1]),
        ("email", "a.b+c@example.com", "a.b+c@example.com"),
        ("email", "a@localhost", "a@localhost"),
        ("email", LONGEST_EMAIL, LONGEST_EMAIL),
    ],
)
def test_each_type_takes_its_values_and_text_for_them(kind: str, given_value: Any, expected: Any):
    value = one(declared(kind)).validate({"p": given_value})["p"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("kind", "given_value", "mistake"),
    [
        ("string", 5, "string_type"),
        ("string", True, "string_type"),
        ("string", ["a"], "string_type"),
        ("int", True, "int_type"),
        ("int", 3.5, "int_from_float"),
        ("int", "3.5", "int_parsing"),
        ("int", "", "int_parsing"),
        ("int", "five", "int_parsing"),
        ("int", "9" * 5000, "int_parsing_size"),
        ("int", [1], "int_type"),
        ("float", False, "float_type"),
        ("float", "NaN", "finite_number"),
        ("float", math.inf, "finite_number"),
        ("float", "1e999", "finite_number"),
        ("float", 10**400, "float_type"),
        ("float", "1,5", "float_parsing"),
        ("bool", 2, "bool_parsing"),
        ("bool", "maybe", "bool_parsing"),
        ("bool", "", "bool_parsing"),
        ("json", "{1}", "json_invalid"),
        ("json", "[NaN]", "json_invalid"),
        ("json", "[1e999]", "json_invalid"),
        ("json", "[" * 100_000, "json_invalid"),
        ("list", "[1", "json_invalid"),
        ("list", '{"a": 1}', "list_type"),
        ("list", {"a": 1}, "list_type"),
        ("list", 5, "list_type"),
        ("email", "a", "email"),
        ("email", "a@", "email"),
        ("email", "a@-b.c", "email"),
        ("email", "a b@c.de", "email"),
        ("email", "a@b.c\n", "email"),
        ("email", LONGEST_EMAIL + "d", "email"),
        ("email", 5, "string_type"),
    ],
)
def test_each_type_refuses_other_values(kind: str, given_value: Any, mistake: str):
    (error,) = refusal(one(declared(kind)), {"p": given_value})
    assert (error["loc"], error["type"]) == (["p"], mistake)
    assert set(error) == {"loc", "type", "msg"}


@pytest.mark.parametrize(
    ("kind", "rules", "good", "bad", "mistake"),
    [
        ("int", {"min": 3}, 3, 2, "greater_than_equal"),
        ("int", {"max": 3}, "3", "4", "less_than_equal"),
        ("int", {"min": 1, "max": 2}, 2, 3, "less_than_equal"),
        ("float", {"min": 0.5}, 0.5, "0.4", "greater_than_equal"),
        ("float", {"max": 1}, 1, 1.01, "less_than_equal"),
        ("string", {"min_length": 2}, "ab", "a", "string_too_short"),
        ("string", {"max_length": 2}, "äö", "abc", "string_too_long"),
        ("email", {"max_length": 6}, "a@b.cd", "a@b.cde", "string_too_long"),
        ("email", {"pattern": r".*@example\.com"}, "a@example.com", "a@b.cd", "string_pattern_mismatch"),
        ("list", {"min_length": 2}, "a,b", "a", "too_short"),
        ("list", {"max_length": 1}, ["a"], ["a", "b"], "too_long"),
        ("string", {"pattern": "b"}, "b", "abc", "string_pattern_mismatch"),
        ("string", {"pattern": "[0-9]{4}"}, "1234", "12345abc", "string_pattern_mismatch"),
        ("string", {"pattern": "a|b"}, "b", "ab", "string_pattern_mismatch"),
        ("string", {"pattern": "(?i)ab"}, "AB", "ab\n", "string_pattern_mismatch"),
        ("string", {"pattern": "(?x) a  # the first letter"}, "a", "ab", "string_pattern_mismatch"),
        ("string", {"pattern": "(?m)^a$"}, "a", "a\na", "string_pattern_mismatch"),
        ("string", {"pattern": "^b$"}, "b", "abc", "string_pattern_mismatch"),
        ("string", {"pattern": r"a(?<=a)b"}, "ab", "xab", "string_pattern_mismatch"),
        ("string", {"pattern": r"\p{Lu}"}, "Ä", "ä", "string_pattern_mismatch"),
        ("string", {"enum": ["a", "b"]}, "a", "c", "enum"),
        ("int", {"enum": [1, 2]}, "1", 3, "enum"),
        ("float", {"enum": (0.5,)}, "0.5", 1, "enum"),
        ("bool", {"enum": [True]}, "yes", False, "enum"),
        ("json", {"enum": [1, {"a": 1}]}, '{"a": 1}', True, "enum"),
        ("list", {"enum": {"a", "b"}}, "a,b,a", "a,c", "enum"),
        ("list", {"enum": ["Paris, France", "a"]}, "Paris, France", "Paris", "enum"),
        ("json", {"enum": ["1", "[a"]}, "1", "[b", "json_invalid"),
        ("date", {"enum": ["2026-03-01", date(2026, 3, 2)]}, "2026-03-02", "2026-03-03", "enum"),
        ("datetime", {"enum": ["2026-03-01T10:00:00Z"]}, "2026-03-01T11:00:00+01:00", "2026-03-01", "enum"),
    ],
)
def test_each_rule_holds(kind: str, rules: dict[str, Any], good: Any, bad: Any, mistake: str):
    validator = one(declared(kind, validation=rules))
    assert "p" in validator.validate({"p": good})
    (error,) = refusal(validator, {"p": bad})
    assert (error["loc"], error["type"]) == (["p"], mistake)


def test_the_message_of_an_enum_names_the_choices_but_no_more_than_twenty():
    (error,) = refusal(one(declared("int", validation={"enum": list(range(100))})), {"p": 100})
    assert error["msg"] == f"Input should be one of {', '.join(map(str, range(20)))}, …"


@pytest.mark.parametrize(
    ("kind", "rules", "message"),
    [
        ("int", {"minimum": 1}, "has the rules min, max, enum, not 'minimum'"),
        ("int", {"pattern": "a"}, "has the rules min, max, enum, not 'pattern'"),
        ("string", {"min": 1}, "not 'min'"),
        ("list", {"min": 1}, "not 'min'"),
        ("bool", {"max": 1}, "not 'max'"),
        ("int", {"min": "a"}, "min must be a whole number, not 'a'"),
        ("int", {"min": True}, "min must be a whole number"),
        ("int", {"max": 2.5}, "max must be a whole number"),
        ("float", {"max": math.nan}, "max must be a finite number"),
        ("float", {"max": math.inf}, "max must be a finite number"),
        ("float", {"max": 10**400}, "can't be used"),
        ("int", {"min": 3, "max": 2}, "min is above max"),
        ("string", {"min_length": 3, "max_length": 2}, "min_length is above max_length"),
        ("string", {"min_length": -1}, "min_length must be a whole number of at least 0"),
        ("string", {"max_length": 1.5}, "max_length must be a whole number"),
        ("string", {"max_length": 10**30}, "can't be used"),
        ("string", {"pattern": "("}, "pattern must be a regular expression"),
        ("string", {"pattern": b"a"}, "pattern must be a regular expression"),
        ("string", {"pattern": None}, "pattern must be a regular expression"),
        ("string", {"enum": "abc"}, "enum must be a list of values"),
        ("string", {"enum": []}, "enum must be a list of values"),
        ("int", {"enum": ["1", "2"]}, "enum must be a list of values of type int; '1' is none"),
        ("int", {"enum": [1, True]}, "True is none"),
        ("string", {"enum": ["a", 1]}, "1 is none"),
        ("bool", {"enum": ["yes"]}, "'yes' is none"),
        ("date", {"enum": ["tomorrow"]}, "'tomorrow' is none"),
        ("email", {"enum": ["nobody"]}, "'nobody' is none"),
        ("date", {"pattern": "2.*"}, "a parameter of type date has the rules enum, not 'pattern'"),
        ("string", ["enum"], "validation must be a dict"),
    ],
)
def test_a_rule_that_can_not_be_is_found_when_it_is_declared(kind: str, rules: Any, message: str):
    with pytest.raises(DefinitionError, match=r"^p: ") as caught:
        declared(kind, validation=rules)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("kind", "default", "rules"),
    [("int", "five", None), ("string", 5, None), ("int", 5, {"max": 4}), ("email", "a", None)],
)
def test_a_default_that_does_not_fit_is_found_when_it_is_declared(kind: str, default: Any, rules: Any):
    with pytest.raises(DefinitionError, match="p: the default value does not fit"):
        declared(kind, default_value=default, validation=rules)


def test_every_wrong_parameter_is_named_in_one_refusal():
    def function(number: int, items: list[int], *, word: str, fine: str = "") -> None: ...

    errors = refusal(validator_of(function), {"number": "x", "items": [1, "a", "b"], "fine": "yes", "other": 1})
    assert [(error["loc"], error["type"]) for error in errors] == [
        (["number"], "int_parsing"),
        (["items", 1], "int_parsing"),
        (["items", 2], "int_parsing"),
        (["word"], "missing"),
        (["other"], "unknown_parameter"),
    ]
    assert errors[3]["msg"] == "word is required"
    assert errors[4]["msg"] == "There is no parameter 'other'"


def test_input_is_not_echoed_and_a_refusal_stays_small():
    def function(number: int, items: list[int], word: Literal["a"]) -> None: ...

    secret = "hidden" * 200_000
    values = {"number": secret, "items": [secret] * 1000, "word": secret}
    errors = refusal(validator_of(function), values)
    text = json.dumps(errors, ensure_ascii=False).encode()
    assert len(text) < 30_000
    assert b"hidden" not in text
    assert errors[-1] == {"loc": [], "type": "too_many_errors", "msg": "902 more are not shown"}


def test_names_from_outside_are_shortened_and_can_be_sent():
    errors = refusal(one(declared("int", required=True)), {"x" * 10**6: 1, "\ud800": 1})
    assert [error["type"] for error in errors] == ["missing", "unknown_parameter", "unknown_parameter"]
    assert [error["loc"] for error in errors] == [["p"], ["x" * 100 + "…"], ["\\ud800"]]
    json.dumps(errors, ensure_ascii=False).encode()


def test_required_and_missing_is_refused_with_none_too():
    for values in ({}, {"p": None}):
        assert [error["type"] for error in refusal(one(declared("string", required=True)), values)] == ["missing"]


def test_optional_and_missing_is_none_unless_the_function_has_a_default_of_its_own():
    assert one(declared("string")).validate({}) == {"p": None}
    own = WorkflowParameter("p", "string", has_default=True, default_from_signature=True, default_value="x")
    assert one(own).validate({}) == {}
    assert one(own).validate({"p": None}) == {}


@pytest.mark.parametrize("required", [True, False])
def test_a_declared_default_stands_in_for_what_is_missing_or_none(required: bool):
    validator = one(declared("int", default_value="5", required=required))
    assert validator.validate({}) == {"p": 5}
    assert validator.validate({"p": None}) == {"p": 5}
    assert validator.validate({"p": 0}) == {"p": 0}


def test_a_default_that_can_change_is_new_in_each_call():
    default = {"items": [1]}
    validator = ParameterValidator(
        [declared("json", default_value=default), declared("list", "q", default_value=[])], False
    )
    first = validator.validate({})
    first["p"]["items"].append(2)
    first["q"].append(3)
    assert validator.validate({}) == {"p": {"items": [1]}, "q": []}
    assert validator.validate({"q": "a"}) == {"p": {"items": [1]}, "q": ["a"]}
    assert default == {"items": [1]}


def test_none_is_a_value_where_the_annotation_admits_it():
    def function(maybe: int | None, other: str | None = "x", anything: Any = 5) -> None: ...

    values = {"maybe": None, "other": None, "anything": None}
    assert validator_of(function).validate(values) == values
    assert validator_of(function).validate({"maybe": "5"}) == {"maybe": 5}
    assert [error["type"] for error in refusal(validator_of(function), {})] == ["missing"]
    parameter = declared("int", validation={"min": 3}, nullable=True, annotation=int | None)
    assert one(parameter).validate({"p": None}) == {"p": None}


def test_unknown_parameters_pass_as_they_are_where_the_function_takes_them():
    def function(a: int, **others: Any) -> None: ...

    values = {"a": "1", "b": "2", "c": None, "d": {"e": [1]}}
    assert validator_of(function).validate(values) == {**values, "a": 1}


def test_the_input_itself_stays_as_it_was():
    values = {"p": "1", "q": None}
    ParameterValidator([declared("int"), declared("int", "q", default_value=3)], False).validate(values)
    assert values == {"p": "1", "q": None}


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Person(BaseModel):
    name: str
    age: int = 0


class Address(typing.TypedDict):
    zip: int


class Customer(typing.TypedDict, total=False):
    address: typing.Required[Address]
    others: list[Address]


@dataclass
class Point:
    x: int


class Unfinished(BaseModel):
    other: NotThere  # type: ignore[name-defined]  # noqa: F821


class Strange:
    """A class that pydantic knows nothing of."""


@pytest.mark.parametrize(
    ("annotation", "given_value", "expected"),
    [
        (int, "5", 5),
        (int | None, "5", 5),
        (Annotated[int, Field(ge=3)], "3", 3),
        (Decimal, "1.10", Decimal("1.10")),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (Colour, "red", Colour.RED),
        (Level, "1", Level.LOW),
        (Literal["a", "b"], "a", "a"),
        (Literal[1, 2], "1", 1),
        (list[int], "1,2", [1, 2]),
        (list[int], '["1", 2]', [1, 2]),
        (list[int] | None, "1", [1]),
        (set[int], "1,1,2", {1, 2}),
        (tuple[int, str], "1,a", (1, "a")),
        (list, "a", ["a"]),
        (dict, '{"a": 1}', {"a": 1}),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Person, '{"name": "A", "age": "5"}', Person(name="A", age=5)),
        (Person | None, {"name": "A"}, Person(name="A")),
        (list[Person], '[{"name": "A"}]', [Person(name="A")]),
        (Point, '{"x": "1"}', Point(1)),
        (Address, '{"zip": "5"}', {"zip": 5}),
        (Customer | None, {"address": {"zip": "5"}, "others": [{"zip": "6"}]},
         {"address": {"zip": 5}, "others": [{"zip": 6}]}),
        (int | str, "5", "5"),
        (str | dict, "{no JSON", "{no JSON"),
        (Any, "{no JSON", "{no JSON"),
        (Strange, "{no JSON", "{no JSON"),
        (Unfinished, {"any": "thing"}, {"any": "thing"}),
        ("Unresolvable", 5, 5),
    ],
)  # fmt: skip
def test_the_annotation_says_what_a_value_becomes(annotation: Any, given_value: Any, expected: Any):
    value = taking(annotation).validate({"p": given_value})["p"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "given_value", "loc", "mistake"),
    [
        (int | None, True, ["p"], "int_type"),
        (float | None, "nan", ["p"], "finite_number"),
        (str | None, 5, ["p"], "string_type"),
        (Annotated[int, Field(ge=3)], "2", ["p"], "greater_than_equal"),
        (Annotated[int, Field(ge=3)], True, ["p"], "int_type"),
        (Annotated[int | None, Field(ge=3)], "2", ["p"], "greater_than_equal"),
        (Annotated[int, Field(ge=3)] | None, "2", ["p"], "greater_than_equal"),
        (Colour, "blue", ["p"], "enum"),
        (Literal["a"], '"a"', ["p"], "literal_error"),
        (Literal[1], "2", ["p"], "literal_error"),
        (datetime, "tomorrow", ["p"], "datetime_from_date_parsing"),
        (list[int], "1,a", ["p", 1], "int_parsing"),
        (list[int], "[1", ["p"], "json_invalid"),
        (dict[str, int], {"a": "b"}, ["p", "a"], "int_parsing"),
        (Person, '{"age": 5}', ["p", "name"], "missing"),
        (Person, "{", ["p"], "json_invalid"),
        (Person, "5", ["p"], "model_type"),
        (Customer, {"address": {}}, ["p", "address", "zip"], "missing"),
        (Customer, {}, ["p", "address"], "missing"),
    ],
)
def test_a_value_that_the_annotation_does_not_admit_is_refused(
    annotation: Any, given_value: Any, loc: list[str | int], mistake: str
):
    (error,) = refusal(taking(annotation), {"p": given_value})
    assert (error["loc"], error["type"]) == (loc, mistake)


@pytest.mark.parametrize(
    ("kind", "annotation", "given_value", "expected"),
    [
        ("json", Person, '{"name": "A"}', Person(name="A")),
        ("json", Strange, '{"name": "A"}', {"name": "A"}),
        ("list", list[int], "1,2", [1, 2]),
        ("list", list[Person], [{"name": "A"}], [Person(name="A")]),
        ("string", Colour, "red", "red"),
        ("string", SecretStr, "hunter2", SecretStr("hunter2")),
        ("date", str, "2026-03-01", "2026-03-01"),
        ("date", date | None, "2026-03-01", date(2026, 3, 1)),
        ("int", int | None, "5", 5),
    ],
)
def test_a_declared_structure_becomes_what_the_signature_says(
    kind: str, annotation: Any, given_value: Any, expected: Any
):
    parameter = declared(kind, annotation=annotation)
    assert one(parameter).validate({"p": given_value}) == {"p": expected}


def test_a_declared_parameter_takes_none_but_the_choices_of_its_annotation():
    for annotation in (Colour, Literal["red"], Colour | None):
        parameter = declared("string", annotation=annotation)
        assert offered_choices(parameter) == ["red"]
        assert [error["type"] for error in refusal(one(parameter), {"p": "green"})] == ["enum"]


def test_an_enum_is_held_against_the_items_that_the_signature_takes():
    assert declared("list", annotation=list[int], validation={"enum": [1, 2]})
    with pytest.raises(DefinitionError, match="values of items that the list takes; '1' is none"):
        declared("list", annotation=list[int], validation={"enum": ["1", "2"]})


def test_a_default_becomes_what_the_signature_says_too():
    assert one(declared("json", annotation=Person, default_value={"name": "A"})).validate({}) == {"p": Person(name="A")}
    unfit = WorkflowParameter("p", "json", annotation=Person, default_value={"age": 5}, has_default=True)
    assert one(unfit).validate({}) == {"p": {"age": 5}}


@pytest.mark.parametrize("error", [KeyError("a"), SystemExit(), ZeroDivisionError()])
def test_a_validator_of_the_authors_that_raises_is_a_refusal(error: BaseException):
    class Rude(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def check(cls, value: int) -> int:
            raise error

    (problem,) = refusal(taking(Rude), {"p": {"a": 1}})
    assert problem == {"loc": [], "type": "validator_failed", "msg": f"A validator raised {type(error).__name__}"}


class Uncomparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError


def test_values_that_are_no_json_pass_where_anything_does():
    odd = Uncomparable()
    assert taking(Any).validate({"p": odd})["p"] is odd


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["5", "1.5", "true", "a,b", "[1]", '{"a": 1}', "{", "\ud800", "a@b.cd", "9" * 5000, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
KINDS = ["string", "int", "float", "bool", "json", "list", "email"]
ANNOTATIONS = [
    int,
    float | None,
    list[int],
    set[str],
    dict[str, int],
    Person,
    Point,
    Customer,
    Colour,
    datetime,
    str | int,
]
EVERYTHING = ParameterValidator([declared(kind, kind) for kind in KINDS], accepts_extra=False)
ANNOTATED = [taking(annotation) for annotation in ANNOTATIONS]
RULED = ParameterValidator(
    [
        declared("string", "string", validation={"pattern": "a|b", "max_length": 3}),
        declared("string", "backwards", validation={"pattern": "(?<!a)b", "min_length": 1}),
        declared("int", "int", validation={"min": 1, "max": 5, "enum": [1, 2]}),
        declared("list", "list", validation={"max_length": 2, "enum": ["a", 1]}),
    ],
    accepts_extra=True,
)


@settings(max_examples=500)
@given(JSON, st.dictionaries(st.sampled_from([*KINDS, "backwards", "p"]) | st.text(max_size=3), JSON, max_size=4))
def test_whatever_comes_in_is_taken_or_refused_and_nothing_else(value: Any, values: dict[str, Any]):
    calls = [(EVERYTHING, values), (RULED, values), (EVERYTHING, dict.fromkeys(KINDS, value))]
    for validator, given_values in [*calls, *((validator, {"p": value}) for validator in ANNOTATED)]:
        try:
            validator.validate(given_values)
        except InvalidInputError as error:
            json.dumps(error.details, allow_nan=False, ensure_ascii=False).encode()


def test_a_call_builds_nothing_anew(monkeypatch: pytest.MonkeyPatch):
    fields = {"a": "string", "b": "int", "c": "float", "d": "bool", "e": "list"}
    validator = ParameterValidator([declared(kind, name, required=True) for name, kind in fields.items()], False)
    values = {"a": "x", "b": 1, "c": 1.5, "d": True, "e": [1, 2]}
    built = Mock(wraps=TypeAdapter)
    for module in ("shared.parameters.validation", "shared.parameters.types"):
        monkeypatch.setattr(f"{module}.TypeAdapter", built)
    assert validator.validate(values) == values
    built.assert_not_called()


def test_very_many_wrong_items_are_answered_in_few_words_and_no_more_are_made(monkeypatch: pytest.MonkeyPatch):
    def takes(v: list[int]) -> None: ...

    made = Mock(side_effect=validation._field_error), Mock(side_effect=validation._unknown)
    monkeypatch.setattr(validation, "_field_error", made[0])
    monkeypatch.setattr(validation, "_unknown", made[1])
    validator = validation.plan_of(FunctionMetadata(name="takes", function=takes, tags=["workflow"])).validator
    many: dict[str, Any] = {f"n{number}": 1 for number in range(10_000)}
    for values, count in (({"v": ["x"] * 10_000}, 10_000), (many, 10_001)):
        with pytest.raises(InvalidInputError) as refused:
            validator.validate(values)
        assert len(refused.value.errors) == 101
        assert refused.value.errors[-1]["msg"] == f"{count - 100} more are not shown"
    assert made[0].call_count + made[1].call_count <= 300
