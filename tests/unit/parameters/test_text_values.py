"""What a value's text gives is what the value itself gives: a query string has nothing else, a JSON body both."""

from __future__ import annotations

import enum
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from shared.errors import InvalidInputError
from tests.unit.parameters.test_validation import refusal, taking


class Colour(enum.Enum):
    RED = "red"
    NONE = "1"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2.5


class Number(enum.IntEnum):
    ONE = 1


class Point(BaseModel):
    x: int
    labels: list[str] = []


@dataclass
class Line:
    begins: Point
    ends: Point | None = None


class Address(typing.TypedDict):
    zip: str


texts = st.text(max_size=20)
ints = st.integers(-(2**70), 2**70)
floats = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(dict, x=st.integers(), labels=st.lists(texts, max_size=2))
dates = st.dates().map(str)
moments = st.datetimes().map(lambda moment: moment.isoformat())
three = st.integers(-3, 3)
short = st.sampled_from

# Each annotation that the documentation lists, with values as JSON has them.
ANNOTATIONS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "str": (str, texts),
    "int": (int, ints),
    "float": (float, floats | ints),
    "bool": (bool, st.booleans()),
    "date": (date, dates),
    "datetime": (datetime, moments),
    "time": (time, st.times().map(str)),
    "timedelta": (timedelta, st.integers(0, 10**6) | short(["PT5S", "1 day"])),
    "UUID": (UUID, st.uuids().map(str)),
    "Decimal": (Decimal, st.decimals(allow_nan=False, allow_infinity=False).map(str) | ints),
    "SecretStr": (SecretStr, texts),
    "Literal": (Literal["a", "b, c"], short(["a", "b, c"])),
    "Literal of numbers": (Literal[1, 2, -3], short([1, 2, -3])),
    "Literal of both": (Literal["a", 1, True], short(["a", 1, True])),
    "Enum": (Colour, short(["red", "1"])),
    "Enum of numbers": (Level, short([1, 2.5])),
    "IntEnum": (Number, st.just(1)),
    "int | None": (int | None, ints),
    "date | None": (date | None, dates),
    "Literal | None": (Literal[1, 2] | None, short([1, 2])),
    "Enum | None": (Level | None, short([1, 2.5])),
    "int | float": (int | float, ints | floats),
    "bool | int": (bool | int, st.booleans() | ints),
    "int | date": (int | date, ints | dates),
    "int | list[int]": (int | list[int], ints | st.lists(ints, max_size=3)),
    "UUID | Literal": (UUID | Literal[5], st.uuids().map(str) | st.just(5)),
    "Annotated": (Annotated[int, Field(ge=0)], st.integers(0)),
    "list": (list, st.lists(texts | ints, max_size=3)),
    "list[str]": (list[str], st.lists(texts, max_size=3)),
    "list[int]": (list[int], st.lists(ints, max_size=3)),
    "list[float]": (list[float], st.lists(floats, max_size=3)),
    "list[bool]": (list[bool], st.lists(st.booleans(), max_size=3)),
    "list[date]": (list[date], st.lists(dates, max_size=3)),
    "list[Literal]": (list[Literal["a", 1]], st.lists(short(["a", 1]), max_size=3)),
    "list[Literal of numbers]": (list[Literal[1, 2]], st.lists(short([1, 2]), max_size=3)),
    "list[Enum]": (list[Level], st.lists(short([1, 2.5]), max_size=3)),
    "list[int] | None": (list[int] | None, st.lists(ints, max_size=3)),
    "list[model]": (list[Point], st.lists(points, max_size=2)),
    "set[int]": (set[int], st.lists(three, max_size=3)),
    "frozenset[str]": (frozenset[str], st.lists(texts, max_size=3)),
    "tuple[int, ...]": (tuple[int, ...], st.lists(ints, max_size=3)),
    "tuple[int, str]": (tuple[int, str], st.tuples(ints, texts).map(list)),
    "Sequence[float]": (Sequence[float], st.lists(floats, max_size=3)),
    "dict": (dict, st.dictionaries(texts, texts | ints, max_size=3)),
    "dict[str, int]": (dict[str, int], st.dictionaries(texts, ints, max_size=3)),
    "TypedDict": (Address, st.builds(dict, zip=texts)),
    "dataclass": (Line, st.builds(dict, begins=points, ends=points | st.none())),
    "pydantic model": (Point, points),
    "model | None": (Point | None, points),
}


def text_of(value: Any) -> str:
    """The value as somebody writes it into an address or a form."""
    return value if isinstance(value, str) else json.dumps(value)


def joined(values: list[Any]) -> str | None:
    """A list as text with commas; None for one that has no such text."""
    parts = [text_of(value) for value in values]
    whole = ",".join(parts)
    plain = all(part == part.strip() and part and not set(part) & set(",[{") for part in parts)
    return whole if plain and parts else None


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_a_value_from_text_is_the_value_from_json(name: str):
    annotation, values = ANNOTATIONS[name]
    validator = taking(annotation)

    def same(text: str, sent: Any) -> None:
        expected = validator.validate({"p": sent})["p"]
        found = validator.validate({"p": text})["p"]
        assert (found, type(found)) == (expected, type(expected))

    @settings(max_examples=15, deadline=None)
    @given(values)
    def check(sent: Any) -> None:
        same(text_of(sent), sent)
        text = joined(sent) if isinstance(sent, list) else None
        # Without an annotation of its items a list of text stays one, and one item may be meant as no list.
        if text is not None and name != "list" and ("|" not in name or len(sent) > 1):
            same(text, sent)

    check()


@pytest.mark.parametrize(
    ("annotation", "sent"),
    [(Literal[1, 2], "3"), (Level, "3"), (list[Literal[1, 2]], "1,3"), (int | date, "x"), (list[int], "1,x")],
)
def test_text_that_is_no_value_is_refused_and_named(annotation: Any, sent: str):
    assert all(error["loc"][0] == "p" for error in refusal(taking(annotation), {"p": sent}))


def test_a_rule_of_an_annotation_that_text_breaks_is_named_and_not_that_it_is_text():
    validator = taking(Annotated[str, Field(pattern="^[a-z]+$")])
    assert [error["type"] for error in refusal(validator, {"p": "5"})] == ["string_pattern_mismatch"]


def test_an_item_of_a_list_is_never_split():
    assert taking(list[str]).validate({"p": ["a,b", "[c", " d "]}) == {"p": ["a,b", "[c", " d "]}


def test_text_that_an_annotation_takes_stays_text():
    for annotation in (str, int | str, str | None, list[str] | str):
        assert taking(annotation).validate({"p": "[1, 2]"}) == {"p": "[1, 2]"}


@given(st.text())
def test_any_text_is_taken_or_refused_and_nothing_else(text: str):
    for validator in VALIDATORS:
        try:
            validator.validate({"p": text})
        except InvalidInputError:
            continue


VALIDATORS = [taking(annotation) for annotation, _ in ANNOTATIONS.values()]
