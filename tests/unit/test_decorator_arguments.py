"""What the decorators are given and can't be is refused where it stands, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.decorators import data_provider, param, workflow
from shared.errors import DefinitionError
from shared.registry import FunctionRegistry, staging
from shared.schedules.expressions import check_expression


@pytest.fixture(autouse=True)
def registry() -> Iterator[FunctionRegistry]:
    with staging(FunctionRegistry()) as fresh:
        yield fresh


def generator():  # type: ignore[no-untyped-def]
    yield 1


async def async_generator():  # type: ignore[no-untyped-def]
    yield 1


def good(name: str = "") -> None: ...


class Holder:
    def method(self, name: str) -> None: ...

    @classmethod
    def of_class(cls, name: str) -> None: ...

    @staticmethod
    def static(name: str) -> None: ...


class Callable_:  # noqa: N801 - a class whose objects can be called
    def __call__(self, name: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (generator, "a generator can't be decorated; collect what it yields in a list, and return that"),
        (async_generator, "a generator can't be decorated"),
        (Holder, "a class can't be decorated; decorate a function"),
        (Holder.method, "a method can't be decorated; move the function out of its class"),
        (Holder().method, "a bound method can't be decorated; decorate a function that calls it"),
        (Holder.__dict__["of_class"], "a method can't be decorated"),
        (Holder.__dict__["static"], "a method can't be decorated"),
        (Callable_(), "only functions can be decorated, not Callable_"),
        (len, "a builtin can't be decorated"),
        (5, "only functions can be decorated, not int"),
    ],
)
@pytest.mark.parametrize("decorate", [workflow(name="f"), data_provider(name="f"), param("name", type="string")])
def test_what_is_no_plain_function_is_refused(decorate: Callable[..., Any], function: Any, advice: str):
    with pytest.raises(DefinitionError, match=advice):
        decorate(function)


def test_a_function_in_a_class_that_takes_no_object_of_it_is_a_function(registry: FunctionRegistry):
    class Group:
        @staticmethod
        @workflow(name="grouped")
        def grouped(name: str) -> None: ...

    assert registry.has_workflow("grouped")


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (
            lambda: workflow(name="f", execution_mod="sync"),
            "no argument 'execution_mod'; did you mean 'execution_mode'",
        ),
        (lambda: workflow(name="f", timeoutSeconds=5), "did you mean 'timeout_seconds'"),
        (
            lambda: data_provider(name="f", cache_ttl=5),
            "@data_provider has no .*; did you mean 'cache_ttl_seconds'",
        ),
        (lambda: param("a", type="int", help="x"), "@param has no argument 'help'"),
        (lambda: param("a", type="int", zzz="x"), "'zzz'; it takes name, type, label"),
        (lambda: param("a"), "missing a required argument: 'type'; write @param"),
        (lambda: param(good), "write @param"),
        (lambda: workflow(name="f", execution_mode="synch")(good), "not 'synch'; did you mean 'sync'"),
        (lambda: workflow(name="f", tags="demo")(good), r"tags must be a list of texts; write tags=\['demo'\]"),
        (lambda: workflow(name="f", tags=5)(good), "tags must be a list of texts, not 5"),
        (lambda: workflow(name="f", allowed_methods=["GETT"])(good), "did you mean 'GET'"),
        (lambda: workflow(name="f", endpoint_enabled="false")(good), "endpoint_enabled must be True or False"),
        (lambda: workflow(name="f", description=5)(good), "description must be a text, not 5"),
        (lambda: workflow(name="f", retry_policy={"max_attempt": 3})(good), "did you mean 'max_attempts'"),
        (lambda: workflow(name="SendMail")(good), "write 'send_mail'"),
        (lambda: workflow(name="send-mail")(good), "write 'send_mail'"),
        (lambda: data_provider(name="f", cache_per="users")(good), "did you mean 'user'"),
        (lambda: param("name", type=str)(good), "type must be one of .*; write 'string'"),
        (lambda: param("name", type="integer")(good), "did you mean 'int'"),
        (lambda: param("name", type="string", validation={"minlength": 1})(good), "did you mean 'min_length'"),
        (lambda: param("name", type="string", required="yes")(good), "required must be True or False"),
        (lambda: workflow(name="f", schedule="every night")(good), "'every night' has 2 fields and needs five"),
        (lambda: workflow(name="f", schedule={"cron": 5})(good), "schedule must be a text"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_nearest_right_one(decorate: Callable[[], Any], message: str):
    with pytest.raises(DefinitionError, match=message):
        decorate()


@pytest.mark.parametrize(
    "text", ["0 9 * * 1-5", "0 0 6 * * *", "*/5 * * * *", "0 0,12 1-15/2 JAN-mar SUN", "0 0 * * 7", "59 59 23 31 12 6"]
)
def test_cron_expressions_are_taken(text: str):
    check_expression(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("60 * * * *", "'60' as its minute, which goes from 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day"),
        ("* * * FOO *", "month"),
        ("* * * * 8", "day of the week"),
        ("5-1 * * * *", "ends before it begins"),
        ("*/0 * * * *", "step is 0"),
        ("a b c d e", "'a' as its minute"),
        ("1, * * * *", "no number"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_the_field(text: str, problem: str):
    with pytest.raises(ValueError, match=problem):
        check_expression(text)
