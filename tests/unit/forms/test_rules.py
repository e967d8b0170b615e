"""Forms that could never be submitted or opened, and rules that would do nothing, are refused when they are saved."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import InvalidInputError
from shared.forms.definitions import check_definition
from shared.models.forms import FormRequest
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, FunctionRegistry

FIELDS = ["body", "formSchema", "fields"]
ONE = {"options": [{"label": "one", "value": 1}]}


async def named(name: str, n: int = 1) -> None: ...


async def anything(**values: Any) -> None: ...


def people(search: str = "") -> list[str]:
    return []


def cities(country: str, near: str | None = None, size: int = 1) -> list[str]:
    return []


@pytest.fixture(autouse=True)
def workspace(registry: FunctionRegistry) -> None:
    for function in (named, anything):
        registry.register_function(FunctionMetadata(function.__name__, tags=[WORKFLOW], function=function))
    for function in (people, cities):
        registry.register_function(FunctionMetadata(function.__name__, tags=[DATA_PROVIDER], function=function))


def problems(*fields: dict[str, Any], **form: Any) -> list[tuple[list[str | int], str]]:
    """Where the form is wrong, and how; fields are `a` and texts unless they say otherwise."""
    schema = {"fields": [{"name": "a", "type": "text", **field} for field in fields]}
    body = {"name": "f", "linkedWorkflow": "anything", "formSchema": schema, **form}
    try:
        check_definition(FormRequest.model_validate(body))
    except InvalidInputError as error:
        return [(problem["loc"], problem["type"]) for problem in error.errors]
    return []


def test_a_form_whose_workflow_needs_what_no_field_gives_is_refused():
    assert problems({"name": "n", "type": "number"}, linkedWorkflow="named") == [(FIELDS, "missing")]
    shown = {"name": "name", "type": "markdown"}
    assert problems(shown, linkedWorkflow="named") == [(FIELDS, "missing")]
    assert problems({"name": "name", "visibilityExpression": "n > 1"}, {"name": "n"}, linkedWorkflow="named") == []


def test_a_default_that_the_workflow_does_not_take_is_refused():
    fields = [{"name": "name"}, {"name": "n", "type": "number", "defaultValue": 1.5}]
    assert problems(*fields, linkedWorkflow="named") == [([*FIELDS, 1, "defaultValue"], "int_from_float")]


def test_a_launch_workflow_must_get_what_it_requires():
    place = ["body", "defaultLaunchParams"]
    assert problems({}, launchWorkflowId="named") == [([*place, "name"], "missing")]
    assert problems({}, launchWorkflowId="named", defaultLaunchParams={"name": None}) == [([*place, "name"], "missing")]
    wrong = {"name": "x", "n": "many"}
    assert problems({}, launchWorkflowId="named", defaultLaunchParams=wrong) == [([*place, "n"], "int_parsing")]
    assert problems({}, launchWorkflowId="named", defaultLaunchParams={"name": "x"}) == []
    assert problems({}, launchWorkflowId="named", allowedQueryParams=["name"]) == []
    assert problems({"name": "name"}, launchWorkflowId="named") == []


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        ({}, [(["country"], "missing")]),
        ({"country": {"mode": "static"}}, [(["country", "value"], "missing")]),
        ({"country": {"mode": "static", "value": 5}}, [(["country", "value"], "string_type")]),
        ({"country": {"mode": "static", "value": "de"}, "size": {"mode": "static"}}, [(["size", "value"], "missing")]),
        ({"country": {"mode": "static", "value": "de"}, "near": {"mode": "static"}}, []),
        ({"country": {"mode": "static", "value": "de"}, "size": {"mode": "static", "value": "3"}}, []),
    ],
)
def test_a_static_provider_input_must_have_a_value_that_the_provider_takes(
    inputs: dict[str, Any], wrong: list[tuple[list[str | int], str]]
):
    field = {"type": "select", "dataProvider": "cities", "dataProviderInputs": inputs}
    found = problems(field)
    assert found == [([*FIELDS, 0, "dataProviderInputs", *place], kind) for place, kind in wrong]


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ({"type": "datetime", "validation": {"pattern": "^a$"}}, ["validation", "pattern"]),
        ({"type": "number", "validation": {"pattern": "^a$"}}, ["validation", "pattern"]),
        ({"type": "select", **ONE, "validation": {"min": 1}}, ["validation", "min"]),
        ({"type": "checkbox", "validation": {"max": 1}}, ["validation", "max"]),
        ({"type": "date", "validation": {"min": 1}}, ["validation", "min"]),
        ({"type": "file", "validation": {"max": 1}}, ["validation", "max"]),
        ({"type": "markdown", "validation": {"message": "x"}}, ["validation", "message"]),
        ({"type": "markdown", "required": True}, ["required"]),
        ({"type": "html", "defaultValue": "x"}, ["defaultValue"]),
        ({"dataProvider": "people"}, ["strictOptions"]),
        ({"type": "number", "dataProvider": "people"}, ["strictOptions"]),
        ({"type": "checkbox", "dataProvider": "people"}, ["dataProvider"]),
        ({"type": "date", "dataProvider": "people", "strictOptions": False}, ["dataProvider"]),
        ({"options": [{"label": "one", "value": 1}]}, ["options"]),
        ({"type": "select", "dataProvider": "people", **ONE}, ["options"]),
        ({"type": "select", "options": [{"label": "none", "value": ""}]}, ["options", 0, "value"]),
        ({"type": "radio", "options": [*ONE["options"], {"label": "none", "value": None}]}, ["options", 1, "value"]),
        ({"content": "x"}, ["content"]),
        ({"multiple": True}, ["multiple"]),
        ({"maxSizeMB": 1}, ["maxSizeMB"]),
        ({"allowedTypes": [".pdf"]}, ["allowedTypes"]),
        ({"validation": {"min": 2, "max": 1}}, ["validation", "min"]),
    ],
)
def test_a_rule_that_does_nothing_on_its_fields_type_is_refused(field: dict[str, Any], place: list[str | int]):
    assert [loc for loc, _ in problems(field)] == [[*FIELDS, 0, *place]]


@pytest.mark.parametrize(
    "field",
    [
        {"type": "password", "validation": {"pattern": "[a-z]+", "min": 1, "max": 5}},
        {"type": "number", "validation": {"min": 1, "max": 5, "message": "1 to 5"}},
        {"type": "multiselect", **ONE, "validation": {"min": 1, "max": 2}},
        {"type": "select", "multiple": True, "dataProvider": "people", "validation": {"max": 2}},
        {"type": "file", "multiple": True, "validation": {"max": 2}, "allowedTypes": [".pdf"], "maxSizeMB": 1},
        {"dataProvider": "people", "strictOptions": False},
        {"type": "checkbox", "required": True, "validation": {"message": "Please agree"}},
        {"type": "markdown", "content": "x", "visibilityExpression": "b == ''"},
    ],
)
def test_a_rule_that_works_on_its_fields_type_is_taken(field: dict[str, Any]):
    assert problems(field, {"name": "b"}) == []


@pytest.mark.parametrize(
    "pattern", ["(", ")(", r"(a)\1", "(?=a)", r"(\w{1,50}){1,50}", r"\w{1,2000}", "[[a]b]", "a{1000}{1000}"]
)
def test_a_pattern_that_can_not_be_used_or_takes_long_is_refused_without_taking_long(pattern: str):
    began = time.perf_counter()
    assert problems({"validation": {"pattern": pattern}, "defaultValue": "a"})[0] == (
        [*FIELDS, 0, "validation", "pattern"],
        "pattern",
    )
    assert time.perf_counter() - began < 0.3


def test_patterns_that_take_long_together_are_refused():
    fields = [{"name": f"f{at}", "validation": {"pattern": rf"\w{{1,4{at}}}"}} for at in range(9)]
    assert [loc for loc, _ in problems(*fields)] == [
        [*FIELDS, at, "validation", "pattern"] for at in (2, 3, 4, 5, 6, 7, 8)
    ]


def test_an_input_that_is_only_a_name_says_what_to_write():
    with pytest.raises(ValidationError) as caught:
        problems({"type": "select", "dataProvider": "people", "dataProviderInputs": {"tenant": "tenant"}})
    (error,) = caught.value.errors()
    assert error["loc"][-2:] == ("dataProviderInputs", "tenant")
    assert '{"mode":"fieldRef","fieldName":"tenant"}' in error["msg"]
    assert '{"mode":"static","value":"tenant"}' in error["msg"]
