"""A signature tells which parameters there are, of which type, and whether the context is wanted."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import pytest
from pydantic import SecretStr

from shared.context import ExecutionContext
from shared.errors import DefinitionError
from shared.parameters.signatures import read_signature

if TYPE_CHECKING:
    from numbers import Real


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.Enum):
    RED = "red"


def function_with(annotation: Any) -> Callable[..., Any]:
    def function(p):  # type: ignore[no-untyped-def]
        ...

    function.__annotations__["p"] = annotation
    return function


@pytest.mark.parametrize(
    ("annotation", "kind", "nullable"),
    [
        (str, "string", False),
        (int, "int", False),
        (float, "float", False),
        (bool, "bool", False),
        (list, "list", False),
        (list[int], "list", False),
        (tuple[int, ...], "list", False),
        (set[str], "list", False),
        (Sequence[str], "list", False),
        (dict[str, int], "json", False),
        (date, "date", False),
        (datetime | None, "datetime", True),
        (Colour, "string", False),
        (Level, "int", False),
        (Colour | Level, "json", False),
        (Literal["a", None], "string", True),
        (UUID, "string", False),
        (Decimal, "float", False),
        (SecretStr, "string", False),
        (NewType("Number", int), "int", False),
        (Any, "json", True),
        (object, "json", False),
        (int | None, "int", True),
        (Optional[list[int]], "list", True),  # noqa: UP045
        (int | str, "json", False),
        (int | str | None, "json", True),
        (Annotated[int, {"un": "hashable"}], "int", False),
        (Annotated[int | None, "note"], "int", True),
        (Annotated[int, "note"] | None, "int", True),
        (Literal["a", "b"], "string", False),
        (Literal["a", 1], "json", False),
        ("str", "string", False),
        ("not_there.At_all", "json", False),
        ("1 +", "json", False),
    ],
)
def test_annotations_become_types(annotation: Any, kind: str, nullable: bool):
    (parameter,) = read_signature(function_with(annotation)).parameters
    assert (parameter.type, parameter.nullable, parameter.required) == (kind, nullable, True)
    assert parameter.from_signature


def test_one_annotation_that_can_not_be_resolved_takes_no_other_down():
    def function(price: Real, count: int) -> None: ...

    price, count = read_signature(function).parameters
    assert (price.annotation, price.type) == (None, "json")
    assert (count.annotation, count.type) == (int, "int")


def test_defaults_are_shown_as_json_and_left_out_when_json_has_no_word_for_them():
    def function(
        a: int = 3,
        b: date = date(2026, 1, 2),
        c: Colour = Colour.RED,
        d: Any = (1, 2),
        e: Any = None,
        f: Any = object,
        g: str = "<b>",
    ) -> None: ...

    parameters = read_signature(function).parameters
    assert [parameter.default_value for parameter in parameters] == [3, "2026-01-02", "red", [1, 2], None, None, "<b>"]
    assert all(parameter.has_default and parameter.default_from_signature for parameter in parameters)
    assert not any(parameter.required for parameter in parameters)


def annotated(ctx: ExecutionContext, a: int) -> None: ...
def quoted(ctx: "ExecutionContext", a: int) -> None: ...  # noqa: UP037
def named(context, a: int) -> None: ...  # type: ignore[no-untyped-def]
def positional(context: ExecutionContext, /, a: int) -> None: ...


@pytest.mark.parametrize("function", [annotated, quoted, named, positional])
def test_the_context_is_no_parameter(function: Callable[..., Any]):
    signature = read_signature(function)
    assert signature.takes_context
    assert [parameter.name for parameter in signature.parameters] == ["a"]


def second(a: int, context: Any) -> None: ...
def by_name_only(*, context: Any) -> None: ...
def nothing() -> None: ...


@pytest.mark.parametrize("function", [second, by_name_only, nothing])
def test_only_the_first_parameter_can_be_the_context(function: Callable[..., Any]):
    assert not read_signature(function).takes_context


def test_extra_parameters_are_taken_by_kwargs():
    def function(a: int, **others: Any) -> None: ...

    signature = read_signature(function)
    assert signature.accepts_extra
    assert [parameter.name for parameter in signature.parameters] == ["a"]
    assert not read_signature(nothing).accepts_extra
    assert signature.find("a") is signature.parameters[0]
    assert signature.find("others") is None


def collects(*items: int) -> None: ...
def unnamed(a: int, /) -> None: ...


@pytest.mark.parametrize(("function", "name"), [(collects, r"\*items"), (unnamed, "a")])
def test_what_can_not_be_given_by_name_is_an_error_that_says_where(function: Callable[..., Any], name: str):
    with pytest.raises(DefinitionError, match=rf"{name}.*{function.__name__}, line \d+"):
        read_signature(function)


def test_a_wrapped_function_is_read_through_its_wrapper():
    def inner(a: int) -> None: ...

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    assert [(parameter.name, parameter.type) for parameter in read_signature(outer).parameters] == [("a", "int")]


def test_a_builtin_that_does_not_tell_takes_anything():
    assert read_signature(dict).accepts_extra
