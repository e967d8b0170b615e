"""One form, worked out the same for its options, its submission and its start: what shows, what is empty, what fits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.models.forms import Form
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

FLOWS = """
from shared.decorators import data_provider, workflow

asked = []


@workflow(name="anyform", execution_mode="sync")
async def anyform(context, **values):
    return values


@workflow(name="strict", execution_mode="sync")
async def strict(d: str = "own", n: int | None = 5, i: int = 7, tags: list[str] = ["x"], agreed: bool = True):
    return {"d": d, "n": n, "i": i, "tags": tags, "agreed": agreed}


PEOPLE = [{"label": f"Person {number}", "value": 1000 + number} for number in range(15_000)]


@data_provider(name="people")
def people(search: str = "", limit: int = 20):
    found = [one for one in PEOPLE if search.lower() in one["label"].lower() or search == str(one["value"])]
    return found[:limit]


@data_provider(name="parents")
def parents():
    return [{"label": "One", "value": 1}, {"label": "Nobody", "value": ""}, {"label": "Null", "value": None}]


@data_provider(name="near")
def near(country: str, city: str = "any"):
    asked.append((country, city))
    return [f"{country}-{city}"]


@data_provider(name="subint")
def subint(parent: int, other: int = 0):
    return [{"label": str(parent), "value": parent * 10}]
"""


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file above, in the workspace of this test; every caller is an administrator."""
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    (tmp_path / "flows" / "evaluated_forms.py").write_text(FLOWS)
    yield
    sys.modules.pop("evaluated_forms", None)


async def made(*fields: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The path of a new form; its fields are texts unless they say otherwise."""
    schema = {"fields": [{"type": "text", **field} for field in fields]}
    answer = await call(
        "forms_create", body={"name": "F", "linkedWorkflow": "anyform", "formSchema": schema, **changes}
    )
    assert answer.status == 201, answer.body
    return {"formId": answer.body["id"]}


async def result_of(path: dict[str, str], **data: Any) -> Any:
    answer = await call("forms_execute", path, body={"form_data": data})
    assert answer.status == 200, answer.body
    return answer.body["result"]


async def refused(path: dict[str, str], **data: Any) -> list[tuple[list[str | int], str]]:
    return errors_of(await call("forms_execute", path, body={"form_data": data}))


def errors_of(answer: Called) -> list[tuple[list[str | int], str]]:
    assert answer.status == 400, answer.body
    return [(error["loc"], error["type"]) for error in answer.body["details"]["errors"]]


async def options_of(path: dict[str, str], *changed: str, **data: Any) -> dict[str, Any]:
    answer = await call("forms_options", path, body={"formData": data, "changed": list(changed)})
    assert answer.status == 200, answer.body
    return {field["name"]: field for field in answer.body["fields"]} | {"visible": answer.body["visible"]}


def bound(provider: str, **inputs: str) -> dict[str, Any]:
    references = {name: {"mode": "fieldRef", "fieldName": field} for name, field in inputs.items()}
    return {"type": "select", "dataProvider": provider, "dataProviderInputs": references}


def at(field: str) -> list[str | int]:
    return ["body", "form_data", field]


@pytest.mark.parametrize("sent", [15_321, "15321", 15_321.0])
async def test_a_number_beyond_the_first_page_is_found_by_search_and_fits(sent: Any):
    path = await made({"name": "who", **bound("people")})
    found = (await options_of(path, who=sent))["who"]
    assert (found["state"], found["valueFits"], len(found["options"])) == ("ready", True, 21)
    assert found["options"][-1]["label"] == "Person 14321"
    assert await result_of(path, who=sent) == {"who": 15_321}
    assert not (await options_of(path, who=99_999))["who"]["valueFits"]
    assert await refused(path, who=99_999) == [(at("who"), "option")]


async def test_several_numbers_beyond_the_first_page_are_found_too():
    path = await made({"name": "who", **bound("people"), "type": "multiselect"})
    assert (await options_of(path, who=["15321", 1001, 9000]))["who"]["valueFits"]
    assert await result_of(path, who=["15321", 1001, 9000]) == {"who": [15_321, 1001, 9000]}


async def test_options_without_a_value_are_not_offered():
    path = await made({"name": "it", **bound("parents")})
    assert [option["value"] for option in (await options_of(path))["it"]["options"]] == [1]
    single = await call("forms_provider_options", {**path, "providerName": "parents"}, body={})
    assert [option["value"] for option in single.body["options"]] == [1]
    assert await result_of(path, it="") == {"it": None}


async def test_an_optional_input_whose_field_is_empty_or_hidden_is_left_out_and_a_required_one_waits():
    b = {"name": "b", "visibilityExpression": "a != 'xx'"}
    path = await made({"name": "a"}, b, {"name": "c", **bound("near", country="a", city="b")})
    for data, option in (
        ({"a": "de"}, "de-any"),
        ({"a": "de", "b": "", "c": "de-any"}, "de-any"),
        ({"a": "xx", "b": "Berlin", "c": "xx-any"}, "xx-any"),
        ({"a": "de", "b": "Berlin", "c": "de-Berlin"}, "de-Berlin"),
    ):
        found = (await options_of(path, **data))["c"]
        assert (found["state"], found["valueFits"]) == ("ready", True)
        assert [each["value"] for each in found["options"]] == [option]
        assert (await result_of(path, **{**data, "c": option}))["c"] == option
    waiting = (await options_of(path, b="Berlin"))["c"]
    assert (waiting["state"], waiting["waitingFor"]) == ("waiting", ["a"])
    single = await call("forms_provider_options", {**path, "providerName": "near"}, body={"formData": {"a": "de"}})
    assert [each["value"] for each in single.body["options"]] == ["de-any"]


async def test_what_a_provider_finds_wrong_is_named_by_the_field_it_comes_from():
    other = {"other": {"mode": "expression", "expression": "text + '!'"}}
    c = {"name": "c", **bound("subint", parent="a")}
    c["dataProviderInputs"] |= other
    path = await made({"name": "a", "type": "number"}, {"name": "text"}, c)
    assert await refused(path, a=1.5, text="x", c=15) == [(at("a"), "int_from_float"), (at("text"), "int_parsing")]
    assert (await options_of(path, a=1.5))["c"]["message"].endswith(
        "a: Input should be a valid integer, got a number with a fractional part"
    )
    single = {**path, "providerName": "subint"}
    answer = await call("forms_provider_options", single, body={"formData": {"a": 1.5}})
    assert errors_of(answer) == [(at("a"), "int_from_float")]
    answer = await call("forms_provider_options", single, body={"inputs": {"parent": "x"}})
    assert errors_of(answer) == [(["body", "inputs", "parent"], "int_parsing")]
    assert await result_of(path, a="4", c="40") == {"a": 4, "c": 40}


async def test_what_the_workflow_finds_wrong_is_named_by_the_field():
    path = await made({"name": "i", "type": "number"}, {"name": "d"}, linkedWorkflow="strict")
    assert await refused(path, i=1.5) == [(at("i"), "int_from_float")]


async def test_an_emptied_field_stays_empty_and_reaches_the_workflow_where_that_takes_it():
    fields = [
        {"name": "d", "defaultValue": "dflt"},
        {"name": "n", "type": "number", "defaultValue": 3},
        {"name": "i", "type": "number", "defaultValue": 4},
        {"name": "tags", "type": "multiselect", "options": [{"label": "t", "value": "t"}], "defaultValue": ["t"]},
        {"name": "agreed", "type": "checkbox", "defaultValue": True},
    ]
    path = await made(*fields, linkedWorkflow="strict")
    assert await result_of(path) == {"d": "dflt", "n": 3, "i": 4, "tags": ["t"], "agreed": True}
    emptied = {"d": "", "n": "", "i": "", "tags": [], "agreed": ""}
    assert await result_of(path, **emptied) == {"d": "", "n": None, "i": 7, "tags": [], "agreed": False}
    nulls = dict.fromkeys(emptied)
    assert await result_of(path, **nulls) == {"d": "own", "n": None, "i": 7, "tags": ["x"], "agreed": False}
    bare = await made({"name": "agreed", "type": "checkbox"}, name="G", linkedWorkflow="strict")
    assert (await result_of(bare))["agreed"] is False


async def test_what_the_options_hide_is_neither_asked_nor_passed_on():
    path = await made(
        {"name": "n", "type": "number"},
        {"name": "x", "required": True, "visibilityExpression": "n > 10"},
        {"name": "who", **bound("people"), "required": True, "visibilityExpression": "x != ''"},
    )
    long = "x" * 60_000
    assert (await options_of(path, x=long, who=1)) == {
        "who": {
            "name": "who", "state": "hidden", "visible": False, "options": [], "waitingFor": [], "message": None,
            "valueFits": True,
        },
        "visible": {"n": True, "x": False, "who": False},
    }  # fmt: skip
    assert await result_of(path, x=long, who=1) == {}
    assert await refused(path, n=11) == [(at("x"), "missing")]
    assert await refused(path, n=11, x="x") == [(at("who"), "missing")]
    assert await result_of(path, n="11", x="x", who="1001") == {"n": 11, "x": "x", "who": 1001}


async def test_a_name_among_changed_that_is_no_field_is_named():
    path = await made({"name": "tenant"}, {"name": "who", **bound("people")})
    answer = await call("forms_options", path, body={"changed": ["tenant", "tenat"]})
    assert errors_of(answer) == [(["body", "changed", 1], "unknown_field")]
    assert "tenat" in answer.body["message"]
    assert list(await options_of(path, "tenant")) == ["visible"]


async def test_a_start_gets_the_values_as_the_form_has_them():
    fields = [
        {"name": "d", "defaultValue": "dflt", "allowAsQueryParam": True},
        {"name": "n", "type": "number", "allowAsQueryParam": True},
        {"name": "hidden", "visibilityExpression": "n > 10"},
        {"name": "agreed", "type": "checkbox"},
        {"name": "it", **bound("parents")},
    ]
    path = await made(*fields, launchWorkflowId="anyform", defaultLaunchParams={"agreed": True, "more": 1})

    async def started(query: dict[str, str] | None = None, **data: Any) -> Any:
        answer = await call("forms_post_startup", path, query=query, body={"formData": data})
        assert answer.status == 200, answer.body
        return answer.body["result"]

    assert await started() == {"d": "dflt", "agreed": True, "more": 1}
    assert await started(d="", n="5", hidden="x", agreed="off", it="1") == {
        "d": "", "n": 5, "agreed": False, "it": 1, "more": 1
    }  # fmt: skip
    assert await started({"n": "11", "d": "q"}, n=1, hidden="x") == {
        "d": "q", "n": 11, "hidden": "x", "agreed": True, "more": 1
    }  # fmt: skip
    wrong = await call("forms_post_startup", path, query={"n": "many"}, body={"formData": {"it": 2}})
    assert errors_of(wrong) == [(["query", "n"], "float_parsing"), (at("it"), "option")]
    got = await call("forms_get_startup", path, query={"n": "12", "hidden": "not allowed"})
    assert got.body["result"] == {"d": "dflt", "n": 12, "agreed": True, "more": 1}


async def test_what_a_launch_workflow_finds_wrong_is_named_by_where_it_came_from():
    path = await made(
        {"name": "i", "type": "number"},
        {"name": "n", "type": "number", "allowAsQueryParam": True},
        launchWorkflowId="strict",
    )
    wrong = await call("forms_post_startup", path, query={"n": "1.5"}, body={"formData": {"i": 1.5}})
    assert sorted(errors_of(wrong), key=str) == [(at("i"), "int_from_float"), (["query", "n"], "int_from_float")]


async def test_a_stored_form_that_could_not_be_saved_any_more_goes_on_working(app: App):
    from datetime import UTC, datetime

    from shared.handlers.services import get_services

    fields = [
        {"name": "when", "type": "datetime", "validation": {"pattern": "^x$", "min": 3}},
        {"name": "free", "type": "text", "dataProvider": "parents"},
        {"name": "pick", "type": "select", "options": [{"label": "none", "value": ""}, {"label": "1", "value": 1}]},
    ]
    now = datetime.now(UTC)
    form = Form.model_validate(
        {
            "id": "00000000-0000-4000-8000-000000000001", "orgId": None, "createdBy": "x", "createdAt": now,
            "updatedAt": now, "name": "Old", "linkedWorkflow": "anyform", "formSchema": {"fields": fields},
        }
    )  # fmt: skip
    await get_services().forms.create(ADMIN.scope, form)
    path = {"formId": form.id}
    data = {"when": "2030-01-01T10:00", "free": "anything", "pick": 1}
    assert await result_of(path, **data) == data
    assert (await options_of(path, **data))["free"]["valueFits"]
    assert (await call("forms_update", path, body={"isActive": False})).status == 200
