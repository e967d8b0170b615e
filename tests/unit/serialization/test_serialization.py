"""Whatever a run gives becomes valid JSON, exactly where JSON can hold it, and never fails the run."""

from __future__ import annotations

import json
import math
import sys
import time as clock
from array import array
from collections import OrderedDict, UserDict, UserList, UserString, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, model_serializer

from shared.errors import ExecutionStopped
from shared.models.results import result_type
from shared.serialization import MAX_DEPTH, dumps, to_json


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


class Same(Endless):
    """Has one key, again and again."""

    def __iter__(self) -> Iterator[str]:
        return ("same" for _ in iter(int, 1))


class EndlessList(Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return 1

    def __len__(self) -> int:
        return -1  # noqa: PLE0303 - it lies on purpose


class Many(Scalar):
    """A long array of one dimension."""

    ndim = 1

    def __init__(self, size: int) -> None:
        self.size = size

    def __getitem__(self, part: slice) -> Scalar:
        return Scalar([7] * part.stop)

    def tolist(self) -> Any:
        return [7] * self.size


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
        (memoryview(b"abcd")[::2], "YWM="),
        (array("i", [1, 2]), [1, 2]),
        (UserList([1]), [1]),
        (UserString("ab"), "ab"),
        (OrderedDict(a=1).values(), [1]),
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


def raising(error: BaseException) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


class Evil(BaseException):
    """None of the classes that a careful `except` lists."""


def unreadable() -> Any:
    # Not at the top of the module, where pytest itself would look at it.
    class Meta(type):
        """A class that lies about itself."""

        __module__ = property(raising(SystemExit()))  # type: ignore[assignment]
        __hash__ = raising(SystemExit())
        __eq__ = raising(SystemExit())
        __getattribute__ = raising(SystemExit())

    class Unreadable(metaclass=Meta): ...

    return Unreadable()


def of_class(**members: Any) -> Callable[[], Any]:
    return lambda: type("Odd", (), members)()


class Pretender:
    """Says that it is a date."""

    __class__ = property(lambda _: date)  # type: ignore[assignment]

    def isoformat(self) -> int:
        return 5


class Unsortable:
    __lt__ = raising(Evil())


class BrokenDict(dict[str, int]):
    items = raising(Evil())


class LyingList(list[int]):
    __len__ = raising(Evil())
    __iter__ = raising(Evil())


class RudeModel(BaseModel):
    a: int = 1
    b: list[Decimal] = [Decimal(2)]

    @model_serializer
    def serialize(self) -> Any:
        raise ValueError


class RudeError(Exception):
    __str__ = raising(Evil())


def released() -> memoryview:
    view = memoryview(b"ab")
    view.release()
    return view


@pytest.mark.parametrize(
    "make",
    [
        Rude,
        RudeMapping,
        lambda: {"a": Rude()},
        lambda: [RudeMapping()],
        lambda: {Rude(): 1},
        unreadable,
        Pretender,
        BrokenDict,
        LyingList,
        RudeError,
        released,
        of_class(__module__=5, __repr__=raising(Evil())),
        of_class(__repr__=lambda _: 5),
        of_class(__repr__=lambda self: repr(self)),
        of_class(__repr__=raising(BaseExceptionGroup("all", [KeyboardInterrupt(), Evil()]))),
    ],
)
def test_objects_whose_methods_raise_are_shown_all_the_same(make: Callable[[], Any]):
    text = json.dumps(to_json([1, make(), 2]), allow_nan=False)
    assert "can't be shown" in text
    assert text.startswith("[1, ")
    assert text.endswith(", 2]")


@pytest.mark.parametrize("value", [Unsortable, lambda: math.nan, Decimal, lambda: Decimal("sNaN")])
def test_sets_whose_items_have_no_order_are_shown_in_any(value: Callable[[], Any]):
    try:
        items = {value(), value(), Decimal(1)}
    except TypeError:  # a signalling NaN has no hash
        return
    assert len(to_json(items)) == len(items)


def test_sets_of_different_kinds_have_one_order():
    assert to_json({"b", 2, None, 1, "a"}) == [None, 1, 2, "a", "b"]


def test_enum_members_that_lead_on_and_on_end():
    class Chain:
        __class__ = property(lambda _: Enum)  # type: ignore[assignment]
        value = property(lambda _: Chain())

    assert to_json([Chain()]) == [f"<more than {MAX_DEPTH} levels>"]


def test_a_model_whose_serializer_raises_is_shown_by_its_fields():
    assert to_json(RudeModel()) == {"a": 1, "b": ["2"]}


def test_a_root_model_is_what_it_holds():
    assert to_json(RootModel[list[Decimal]]([Decimal(1)])) == ["1"]


def test_what_could_be_read_before_an_error_is_kept():
    def items(self: Any) -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise ValueError

    half = type("Half", (dict,), {"items": items})
    assert to_json(half()) == {"a": 1, "<incomplete>": f"<{__name__}.Half: can't be shown, ValueError>"}


def test_the_exception_that_ends_a_run_is_not_held_up():
    class Stopped:
        __repr__ = raising(ExecutionStopped())

    for value in (Stopped(), [Stopped()], {"a": Stopped()}):
        with pytest.raises(ExecutionStopped):
            to_json(value)


def test_a_caller_without_stack_left_gets_an_answer():
    nested: Any = []
    for _ in range(150):
        nested = [nested]
    answers: list[Any] = []

    def deeper() -> None:
        try:
            deeper()
        except RecursionError:
            answers.append(1)
            with suppress(RecursionError):  # so deep that not even the call succeeds
                answers.append(to_json(nested))

    deeper()
    assert answers
    json.dumps(answers)


def test_a_dict_that_changes_while_it_is_read_fails_nothing():
    value: dict[str, Any] = {"a": 1}

    class Grows:
        def __repr__(self) -> str:
            value["more"] = 1
            return "grows"

    value["b"] = Grows()
    assert to_json(value)["a"] == 1


def test_the_result_holds_plain_classes_only():
    text = type("Text", (str,), {"__str__": lambda _: "other", "__len__": raising(Evil())})
    number, real = type("Int", (int,), {"__repr__": raising(Evil())}), type("Float", (float,), {"__repr__": str})
    converted = to_json({text("k"): [text("v"), number(1), real(1.5)]})
    assert converted == {"k": ["v", 1, 1.5]}
    assert [type(item) for item in converted["k"]] == [str, int, float]
    assert {type(key) for key in converted} == {str}


@pytest.mark.parametrize("limit", [0, 640])
def test_an_int_is_valid_whatever_pythons_own_limit_is(limit: int):
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        assert to_json(10**640 - 1) == 10**640 - 1
        json.dumps(to_json([10**n for n in (639, 640, 4299, 4300, 5000)]))
    finally:
        sys.set_int_max_str_digits(before)
    assert to_json(10**4300 - 1) == 10**4300 - 1
    assert "about 4301 digits" in to_json(-(10**4300))


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
    started = clock.thread_time()
    assert to_json(10**2_000_000).startswith("<int of about 2000001 digits")
    assert clock.thread_time() - started < 1


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 100] * 10**4, {str(n): n for n in range(10**5)}, b"x" * 10**6])
def test_what_is_too_large_is_cut_and_says_how_much_is_missing(value: Any):
    text = json.dumps(to_json(value, max_bytes=10_000))
    assert len(text) < 13_000
    assert "left out" in text


@pytest.mark.parametrize("value", [Endless(), Same(), EndlessList(), [Endless()] * 10**6, {"a": EndlessList()}])
def test_what_has_no_end_ends(value: Any):
    started = clock.thread_time()
    text = json.dumps(to_json(value, max_bytes=200_000))
    assert "left out" in text
    assert len(text) < 400_000
    assert clock.thread_time() - started < 3


@pytest.mark.parametrize(
    "value",
    ["\x00" * 5000, "\x00" * 500,
     "é" * 5000, "\udc80" * 5000, "😀" * 5000, ["ä\n"] * 5000, [0.1] * 5000, [12345] * 5000,
     {"ключ" * 3000: 1, "ключ" * 3000 + "2": 2}, [b"12345"] * 5000, Many(1000), [Many(1000)], [Fraction(1, 3)] * 5000],
)  # fmt: skip
def test_the_bound_is_one_of_bytes(value: Any):
    converted = to_json(value, max_bytes=2000)
    size = len(json.dumps(converted, ensure_ascii=False, separators=(",", ":")).encode())
    assert 1500 < size < 2300
    assert "left out" in json.dumps(converted)


@settings(max_examples=300)
@given(st.deferred(lambda: JSON), st.integers(0, 300))
def test_what_fits_is_kept_whole_and_what_does_not_is_cut(value: Any, missing: int):
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    assert to_json(value, max_bytes=size) == value
    cut = json.dumps(to_json(value, max_bytes=max(0, size - missing)), ensure_ascii=False, separators=(",", ":"))
    assert "left out" in cut or len(cut.encode()) <= size


def test_a_large_array_is_not_unpacked_whole():
    assert to_json(Many(10**9), max_bytes=20) == [7] * 10 + ["<999999990 more items left out>"]


def test_a_scalar_that_has_no_plain_value_is_shown_by_its_text():
    class Stubborn(Scalar):
        def tolist(self) -> Any:
            return self

        def __str__(self) -> str:
            return "1.5"

    assert to_json(Stubborn(1)).endswith("Stubborn: 1.5>")


def test_a_list_of_ten_million_ends_quickly_and_small():
    started = clock.thread_time()
    assert len(json.dumps(to_json([None] * 10**7, max_bytes=10**6))) < 2 * 10**6
    assert clock.thread_time() - started < 3


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
        ("<pressure rises>", "text"),
        (" " * 500 + "<TABLE>", "html"), ("<h1>x", "html"), ("<br/>", "html"), ("<ul\n", "html"),
    ],
)  # fmt: skip
def test_results_are_told_apart_as_json_html_and_text(value: Any, kind: str):
    assert result_type(value) == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip

ODD: list[Any] = [
    math.nan, -math.inf, -0.0, 10**5000, 2**64, 1j, b"\xff", bytearray(b"a"), memoryview(b"ab"), Decimal("1e999"),
    Decimal("NaN"), Fraction(1, 3), datetime(1, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), date.max, time.max,  # noqa: DTZ001
    timedelta.max, UUID(int=0), PurePosixPath(), Colour.RED, Level.LOW, object, object(), print, ..., NotImplemented,
    range(3), {1, "a", None}, frozenset({()}), deque([1]), "\udc80", "\x00", KeyError(Evil()),
    RudeMapping(), RudeModel(), Rude(), BrokenDict(a=1), LyingList([1]), RudeError(), Unsortable(),
]  # fmt: skip

KEYS = st.text(max_size=3) | st.sampled_from([1, 1.5, math.nan, None, True, (1, "a"), Colour.RED, b"a", Rude, "\udc80"])

ANYTHING = st.recursive(
    # By index: hypothesis shows what it samples from, and many of these can't be shown.
    st.text(max_size=5) | st.integers() | st.floats() | st.integers(0, len(ODD) - 1).map(lambda index: ODD[index]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    | st.tuples(st.sampled_from([tuple, deque, iter, UserList, lambda items: Pair(items, items), Scalar, ValueError,
                                 lambda items: Point(items, set())]),
                st.lists(inner, max_size=2)).map(lambda made: made[0](made[1])),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=5000)
@given(ANYTHING)
def test_anything_becomes_valid_json_and_never_an_exception(value: Any):
    text = json.dumps(to_json(value), allow_nan=False)
    text.encode("utf-8")
    json.loads(text)


@settings(max_examples=5000)
@given(JSON)
def test_json_values_come_out_exactly_as_they_went_in(value: Any):
    assert json.dumps(to_json(value)) == json.dumps(value)
