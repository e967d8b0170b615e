"""Whatever a run gives becomes valid JSON, exactly where JSON can hold it, and never fails the run."""

from __future__ import annotations

import json
import math
import time as clock
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.serialization import MAX_DEPTH, dumps, result_type, to_json


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int
    tags: set[str] = field(default_factory=set)


class Model(BaseModel):
    when: datetime
    points: list[Decimal] = []


Pair = namedtuple("Pair", "left right")


class Scalar:
    """Has what numpy's scalars and arrays have."""

    dtype = "int64"

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


class Rude:
    """Raises at everything that can be asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise KeyboardInterrupt


class RudeMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return -5  # noqa: PLE0303 - it lies on purpose


class Endless(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return (str(number) for number in iter(int, 1))

    def __len__(self) -> int:
        return 10**9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2), "01:02:00"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (b"ab\xff", "YWL/"),
        (bytearray(b"ab"), "YWI="),
        (memoryview(b"ab"), "YWI="),
        ((1, "a"), [1, "a"]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (deque([1]), [1]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (Pair(1, Pair(2, None)), {"left": 1, "right": {"left": 2, "right": None}}),
        (Point(1, {"t"}), {"x": 1, "tags": ["t"]}),
        (Model(when=datetime(2026, 1, 2, tzinfo=UTC)), {"when": "2026-01-02T00:00:00+00:00", "points": []}),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict(a=1), {"a": 1}),
        ({1: "int", None: "none", False: "false", 1.5: "float", (1, 2): "tuple", Colour.RED: "enum"},
         {"1": "int", "null": "none", "false": "false", "1.5": "float", "[1, 2]": "tuple", "red": "enum"}),
        ({1: "a", "1": "b"}, {"1": "a", "1#2": "b"}),
        (Scalar(5), 5),
        (Scalar([[1, 2], [3, math.nan]]), [[1, 2], [3, "NaN"]]),
        (ValueError("because"), {"type": "ValueError", "message": "because"}),
        ("bad \udc80 text", "bad \\udc80 text"),
        ({"\udc80": 1}, {"\\udc80": 1}),
        (-0.0, -0.0),
        (10**4000, 10**4000),
    ],
)  # fmt: skip
def test_each_kind_of_value_becomes_what_is_documented(value: Any, expected: Any):
    assert to_json(value) == expected
    json.dumps(to_json(value), allow_nan=False).encode()


def test_an_object_of_any_class_is_shown_by_class_and_repr():
    text = to_json(object())
    assert text.startswith("<builtins.object: <object object at")
    assert len(to_json(type("Long", (), {"__repr__": lambda _: "x" * 10_000})())) < 600


@pytest.mark.parametrize("make", [Rude, RudeMapping, lambda: {"a": Rude()}, lambda: [RudeMapping()]])
def test_objects_whose_methods_raise_are_shown_all_the_same(make: Callable[[], Any]):
    assert "can't be shown" in json.dumps(to_json(make()))


def test_generators_are_not_consumed():
    generator = iter([1, 2])
    assert to_json(generator).startswith("<builtins.list_iterator")
    assert list(generator) == [1, 2]


def test_cycles_are_cut_and_shared_parts_are_not():
    cyclic: list[Any] = [1]
    cyclic.append({"self": cyclic})
    assert to_json(cyclic) == [1, {"self": "<cycle>"}]
    shared = {"a": 1}
    assert to_json([shared, shared]) == [shared, shared]


def test_what_is_nested_too_deep_is_cut():
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]
    text = json.dumps(to_json(deep))
    assert f"<more than {MAX_DEPTH} levels>" in text
    exact: Any = "bottom"
    for _ in range(MAX_DEPTH):
        exact = [exact]
    assert to_json(exact) == exact


def test_an_int_too_long_for_text_is_named_by_its_digits_and_takes_no_time():
    started = clock.monotonic()
    assert to_json(10**2_000_000).startswith("<int of about 2000001 digits")
    assert clock.monotonic() - started < 1


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 100] * 10**4, {str(n): n for n in range(10**5)}, b"x" * 10**6])
def test_what_is_too_large_is_cut_and_says_how_much_is_missing(value: Any):
    text = json.dumps(to_json(value, max_bytes=10_000))
    assert len(text) < 13_000
    assert "left out" in text


def test_an_endless_mapping_ends():
    assert "<left out>" in to_json(Endless(), max_bytes=10_000)


def test_a_list_of_ten_million_ends_quickly_and_small():
    started = clock.monotonic()
    assert len(json.dumps(to_json([None] * 10**7, max_bytes=10**6))) < 2 * 10**6
    assert clock.monotonic() - started < 3


def test_the_value_itself_stays_as_it_was_and_is_not_shared():
    value = {"list": [1], "dict": {"a": 1}}
    converted = to_json(value)
    converted["list"].append(2)
    converted["dict"]["b"] = 2
    assert value == {"list": [1], "dict": {"a": 1}}


def test_dumps_is_compact():
    assert dumps({"a": [1, None], "d": Decimal(1)}) == '{"a":[1,null],"d":"1"}'


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 1}, "json"), ([], "json"), (1, "json"), (None, "json"), ("plain", "text"), ("", "text"), ("a < b",
        "text"), ("<p>hello</p>", "html"), ("\n <!DOCTYPE html><html>", "html"), ("<unknown>", "text"),
    ],
)  # fmt: skip
def test_results_are_told_apart_as_json_html_and_text(value: Any, kind: str):
    assert result_type(value) == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip

ANYTHING = st.recursive(
    JSON | st.floats() | st.text() | st.binary() | st.decimals() | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates() | st.times() | st.timedeltas() | st.uuids() | st.complex_numbers() | st.fractions()
    | st.sampled_from([Colour.RED, Level.LOW, object, object(), print, ..., NotImplemented])
    | st.builds(RudeMapping) | st.builds(lambda: 10**5000),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.sets(st.integers() | st.text())
    | st.dictionaries(st.text() | st.integers() | st.none() | st.booleans() | st.tuples(st.text()) | st.floats(), inner)
    | st.builds(Pair, inner, inner) | st.builds(Scalar, inner) | st.builds(ValueError, inner)
    | st.builds(Point, inner, st.just(set())) | st.builds(iter, st.lists(inner)),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=5000)
@given(ANYTHING)
def test_anything_becomes_valid_json_and_never_an_exception(value: Any):
    text = json.dumps(to_json(value), allow_nan=False)
    text.encode("utf-8")
    json.loads(text)


@settings(max_examples=1000)
@given(JSON)
def test_json_values_come_out_exactly_as_they_went_in(value: Any):
    assert json.dumps(to_json(value)) == json.dumps(value)
