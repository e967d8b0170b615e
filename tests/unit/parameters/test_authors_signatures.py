"""Whatever Python and pydantic let an author write in a signature is taken for what it says, or refused."""

# ruff: noqa: B008 - fields and models as defaults are what is tested

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Unpack

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr

from shared.context import ExecutionContext
from shared.decorators import metadata_of, param, resolve_parameters, workflow
from shared.errors import DefinitionError, InvalidInputError
from shared.parameters.json_schema import parameters_schema
from shared.parameters.signatures import read_signature
from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata
from tests.unit.conftest import Execute


def validated(function: Callable[..., Any], **given: Any) -> dict[str, Any]:
    return plan_of(FunctionMetadata("f", function=function)).validator.validate(given)


def problems(function: Callable[..., Any], **given: Any) -> list[tuple[list[str | int], str]]:
    with pytest.raises(InvalidInputError) as refused:
        validated(function, **given)
    return [(error["loc"], error["type"]) for error in refused.value.errors]


# Where the context may stand.


def at_the_end(who: str, context: ExecutionContext) -> Any:
    return [who, context.execution_id]


def by_name_only(who: str, *, run: ExecutionContext) -> Any:
    return [who, run.execution_id]


def optional(who: str, ctx: Optional[ExecutionContext] = None) -> Any:  # noqa: UP045
    return [who, ctx and ctx.execution_id]


def annotated(who: str, ctx: Annotated[ExecutionContext, "the run's"]) -> Any:
    return [who, ctx.execution_id]


async def first_and_others(ctx: ExecutionContext, who: str, **others: Any) -> Any:
    return [who, ctx.execution_id]


@pytest.mark.parametrize("function", [at_the_end, by_name_only, optional, annotated, first_and_others])
async def test_the_context_is_given_wherever_it_is_annotated(run_function: Execute, function: Callable[..., Any]):
    assert [parameter.name for parameter in read_signature(function).parameters] == ["who"]
    assert (await run_function(function, who="Ada")).result == ["Ada", "test"]


@pytest.mark.parametrize("function", [at_the_end, by_name_only, optional, annotated])
def test_no_caller_can_give_the_context(function: Callable[..., Any]):
    name = read_signature(function).context_name
    assert problems(function, who="Ada", **{str(name): {}}) == [([name], "unknown_parameter")]


def bare_ctx(ctx, name): ...  # type: ignore[no-untyped-def]
def bare_context_second(name, context): ...  # type: ignore[no-untyped-def]
def first_is_text(context: str): ...  # type: ignore[no-untyped-def]
def first_is_a_dict(context: dict[str, Any]): ...  # type: ignore[no-untyped-def]
def two(a: ExecutionContext, b: ExecutionContext): ...  # type: ignore[no-untyped-def]
def a_dataclass_field(items: list[int] = dataclasses.field(default_factory=list)): ...  # type: ignore[no-untyped-def]
def a_path(city: Annotated[str, Field(validation_alias=AliasPath("address", "city"))]): ...  # type: ignore[no-untyped-def]
def an_alias_taken(a: Annotated[str, Field(alias="b")], b: str): ...  # type: ignore[no-untyped-def]
def two_of_an_alias(a: int = Field(0, alias="x"), b: int = Field(0, alias="x")): ...  # type: ignore[no-untyped-def]
def stars(*items: int): ...  # type: ignore[no-untyped-def]
def slashed(a: int, /): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (bare_ctx, r"'ctx' would be asked of the caller; write ctx: ExecutionContext"),
        (bare_context_second, r"write context: ExecutionContext, or put it first"),
        (first_is_text, r"gets the ExecutionContext; annotate it so, or give it another name"),
        (first_is_a_dict, r"gets the ExecutionContext; annotate it so, or give it another name"),
        (two, r"'b' is the context, as 'a' is; keep one of them"),
        (a_dataclass_field, r"'items': a dataclass field is no default here; write pydantic's Field"),
        (a_path, r"'city': an alias that is a path is not read"),
        (an_alias_taken, r"the alias 'b' of 'a' is another parameter's name"),
        (two_of_an_alias, r"'x' is an alias of both 'a' and 'b'"),
        (stars, r"\*items: .*int.* can't be given by name, as every input is; write a list"),
        (slashed, r"can't be given by name, as every input is; take the '/' away"),
    ],
)
def test_what_can_not_be_is_refused_with_what_to_write(function: Callable[..., Any], advice: str):
    with pytest.raises(DefinitionError, match=rf"{advice}.*: .*{function.__name__}, line \d+"):
        read_signature(function)


# Fields of pydantic.


def test_a_field_as_a_default_is_read_as_one_in_the_annotation():
    def default(n: int = Field(5, ge=1, description="How many", title="Number")) -> None: ...
    def annotated(n: Annotated[int, Field(ge=1, description="How many", title="Number")] = 5) -> None: ...
    def within(n: Annotated[int, Field(5, ge=1, description="How many", title="Number")]) -> None: ...

    for function in (default, annotated, within):
        (parameter,) = read_signature(function).parameters
        shown = (parameter.type, parameter.required, parameter.default_value, parameter.label, parameter.help_text)
        assert shown == ("int", False, 5, "Number", "How many"), function
        assert problems(function, n=0) == [(["n"], "greater_than_equal")]
        assert validated(function, n="7") == {"n": 7}
        assert parameters_schema(FunctionMetadata("f", function=function))["properties"]["n"]["minimum"] == 1
    assert validated(default) == validated(within) == {"n": 5}


def test_a_field_without_a_default_is_required_and_a_factory_is_called_for_each_run():
    made: list[int] = []

    def function(
        a: int = Field(ge=1),
        b: list[int] = Field(default_factory=lambda: [*made]),
        c: str = Field(default_factory=lambda given: f"a is {given['a']}"),
    ) -> None: ...

    assert problems(function) == [(["a"], "missing")]
    assert validated(function, a=1) == {"a": 1, "b": [], "c": "a is 1"}
    made.append(1)
    assert validated(function, a=1)["b"] == [1]


def test_a_factory_that_raises_is_an_error_that_names_the_parameter():
    def function(a: int = Field(default_factory=lambda: 1 // 0)) -> None: ...

    assert problems(function) == [(["a"], "default_failed")]


def test_an_alias_is_taken_beside_the_parameters_own_name():
    def function(
        sender: Annotated[str, Field(alias="from")] = "nobody",
        kind: str = Field("x", validation_alias=AliasChoices("event-type", "eventType")),
    ) -> None: ...

    assert validated(function, **{"from": "Ada", "event-type": "push"}) == {"sender": "Ada", "kind": "push"}
    assert validated(function, sender="Ada", eventType="push") == {"sender": "Ada", "kind": "push"}
    assert problems(function, sender="Ada", **{"from": "Bob"}) == [(["sender"], "given_twice")]
    assert plan_of(FunctionMetadata("f", function=function)).validator.takes("from")


class Settings(BaseModel):
    tags: list[str] = []


@dataclasses.dataclass
class Options:
    names: list[str] = dataclasses.field(default_factory=list)


async def test_a_mutable_default_is_each_runs_own(run_function: Execute):
    def function(
        items: list[int] = [],  # noqa: B006
        seen: dict[str, list[int]] = {"a": []},  # noqa: B006
        more: Settings = Settings(),
        options: Options = Options(),
    ) -> Any:
        items.append(1)
        seen["a"].append(1)
        more.tags.append("x")
        options.names.append("y")
        return [items, seen, more.tags, options.names]

    for _ in range(2):
        assert (await run_function(function)).result == [[1], {"a": [1]}, ["x"], ["y"]]


def test_annotated_others_are_validated():
    def function(a: int = 0, **amounts: int) -> None: ...

    assert validated(function, a="1", x="2") == {"a": 1, "x": 2}
    assert problems(function, x="many") == [(["x"], "int_parsing")]
    assert validated(function, x=None) == {}


class Choice(TypedDict):
    size: int
    colour: NotRequired[Literal["red", "blue"]]


def test_unpacked_others_are_parameters():
    def function(**choice: Unpack[Choice]) -> None: ...

    assert [(each.name, each.required) for each in read_signature(function).parameters] == [
        ("size", True),
        ("colour", False),
    ]
    assert validated(function, size="3") == {"size": 3}
    assert problems(function, colour="green", other=1) == [
        (["size"], "missing"),
        (["colour"], "literal_error"),
        (["other"], "unknown_parameter"),
    ]


def test_what_an_annotation_says_holds_beside_param():
    @workflow(name="both")
    @param("n", type="int", validation={"max": 9})
    @param("word", type="string")
    @param("token", type="string")
    def both(
        n: Annotated[int, Field(ge=1)], word: Literal["a", "b"] = "a", token: SecretStr = SecretStr("")
    ) -> None: ...

    metadata = metadata_of(both)
    assert metadata is not None
    resolve_parameters(metadata)
    valid = plan_of(metadata).validator.validate({"n": "5", "token": "hush-hush"})
    assert (valid["n"], valid["token"].get_secret_value()) == (5, "hush-hush")
    with pytest.raises(InvalidInputError) as refused:
        plan_of(metadata).validator.validate({"n": 0, "word": "c"})
    assert [error["loc"] for error in refused.value.errors] == [["n"], ["word"]]


def test_a_secret_is_listed_as_text_and_its_default_is_not_shown():
    def function(token: SecretStr, other: SecretStr = SecretStr("hidden")) -> None: ...

    token, other = read_signature(function).parameters
    assert (token.type, other.type, other.default_value) == ("string", "string", None)


def test_an_unknown_parameter_is_answered_with_the_nearest_one():
    def function(customer_name: str = "", due: date | None = None) -> None: ...

    with pytest.raises(InvalidInputError) as refused:
        validated(function, customerName="Ada", zzz=1)
    messages = [error["msg"] for error in refused.value.errors]
    assert messages == [
        "There is no parameter 'customerName'; did you mean 'customer_name'?",
        "There is no parameter 'zzz'",
    ]


class Session:
    """Nothing that pydantic could make of JSON."""


def size_of_text(p: Annotated[str, Field(ge=1)]): ...  # type: ignore[no-untyped-def]
def length_of_number(p: int = Field(1, min_length=2)): ...  # type: ignore[no-untyped-def]
def broken_pattern(p: Annotated[str, Field(pattern="(")]): ...  # type: ignore[no-untyped-def]
def no_union(p: Annotated[int, Field(discriminator="x")]): ...  # type: ignore[no-untyped-def]
def a_session(p: Session): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (size_of_text, "type string can't have ge, gt"),
        (length_of_number, "type int can't have min_length"),
        (broken_pattern, "the annotation can't be used: .*regex"),
        (no_union, "the annotation can't be used: .*union"),
        (a_session, "write a pydantic model, a dataclass or a plain type"),
    ],
)
def test_an_annotation_that_no_value_could_meet_is_refused(function: Callable[..., Any], problem: str):
    metadata = metadata_of(workflow(name="f")(function))
    assert metadata is not None
    with pytest.raises(DefinitionError, match=rf"p: .*{problem}.*: .*{function.__name__}, line \d+"):
        resolve_parameters(metadata)


def test_a_default_may_be_anything_that_the_author_keeps_for_tests():
    @workflow(name="f")
    def function(session: Session = Session()) -> None: ...

    metadata = metadata_of(function)
    assert metadata is not None
    resolve_parameters(metadata)
