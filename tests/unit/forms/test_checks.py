"""Submitted values: what is right, what is wrong, and that each wrong field is named."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from shared.forms.checks import submitted_values
from shared.forms.choices import Choices
from shared.forms.problems import problems_of
from shared.forms.state import FormState
from shared.models.data_providers import Option
from shared.models.forms import FormSchema
from shared.parameters.types import is_linear_pattern
from tests.unit.forms.test_expressions import JSON


def form(*fields: dict[str, Any]) -> FormSchema:
    return FormSchema.model_validate({"fields": [{"name": "a", "type": "text", **field} for field in fields]})


def option(value: Any) -> Option:
    return Option(label=str(value), value=value, metadata=None)


def submitted(
    schema: FormSchema, data: dict[str, Any], options: dict[str, list[Option]] | None = None
) -> dict[str, Any]:
    choices = {name: Choices(given) for name, given in (options or {}).items()}
    return submitted_values(FormState(schema, data), choices)


def problems(schema: FormSchema, data: dict[str, Any], options: dict[str, list[Option]] | None = None):
    with pytest.raises(InvalidInputError) as caught:
        submitted(schema, data, options)
    return {error["loc"][-1]: error["type"] for error in caught.value.errors}


CHOICE = {"type": "select", "options": [{"label": "one", "value": 1}, {"label": "yes", "value": True}]}
BOTH = {"type": "select", "options": [{"label": "number", "value": 1}, {"label": "text", "value": "1"}]}


@pytest.mark.parametrize(
    ("field", "sent", "cleaned"),
    [
        ({}, " x ", " x "),
        ({"type": "email"}, "a@example.com", "a@example.com"),
        ({"type": "number"}, "5", 5),
        ({"type": "number"}, "5.5", 5.5),
        ({"type": "number"}, 2**60, 2**60),
        ({"type": "checkbox"}, "on", True),
        ({"type": "checkbox", "required": True}, False, False),
        ({"type": "datetime"}, "2030-01-01T10:00", "2030-01-01T10:00"),
        ({"type": "date"}, "2030-02-28", "2030-02-28"),
        ({"type": "password"}, " p,w ", " p,w "),
        ({"type": "password", "validation": {"pattern": "[a-z]+", "min": 2}}, "secret", "secret"),
        ({**CHOICE, "type": "multiselect"}, ["1", True], [1, True]),
        ({**CHOICE, "type": "multiselect", "multiple": False}, "1", [1]),
        (
            {"type": "multiselect", "options": [{"label": "P", "value": "Paris, France"}]},
            "Paris, France",
            ["Paris, France"],
        ),
        (CHOICE, "1", 1),
        (CHOICE, 1.0, 1),
        (CHOICE, "true", True),
        (BOTH, "1", "1"),
        (BOTH, 1, 1),
        ({**CHOICE, "multiple": True}, ["1", True], [1, True]),
        ({**CHOICE, "multiple": True}, "1", [1]),
        ({"validation": {"pattern": "^a+$", "min": 2, "max": 3}}, "aaa", "aaa"),
        ({"type": "number", "validation": {"min": 2, "max": 3}}, "3", 3),
        ({"type": "file", "multiple": True}, ["id1", "id2"], ["id1", "id2"]),
        ({"defaultValue": "d", "required": True}, "", "d"),
    ],
)
def test_a_right_value_comes_out_as_its_type_says(field: dict[str, Any], sent: Any, cleaned: Any):
    found = submitted(form(field), {"a": sent})["a"]
    assert (found, type(found)) == (cleaned, type(cleaned))


@pytest.mark.parametrize(
    ("field", "sent", "kind"),
    [
        ({}, 5, "string_type"),
        ({"required": True}, "", "missing"),
        ({"required": True, "type": "select", "multiple": True, "options": []}, [], "missing"),
        ({"type": "email"}, "nobody", "email"),
        ({"type": "number"}, "NaN", "finite_number"),
        ({"type": "number"}, True, "float_type"),
        ({"type": "checkbox"}, "maybe", "bool_parsing"),
        ({"type": "datetime"}, "tomorrow", "datetime"),
        ({"type": "datetime"}, 5, "datetime"),
        ({"type": "datetime"}, "20300101", "datetime"),
        ({"type": "datetime"}, "2030-01-01T25:00", "datetime"),
        ({"type": "date"}, "2030-02-30", "date"),
        ({"type": "date"}, "2030-02-28T10:00", "date"),
        ({"type": "date"}, "20300228", "date"),
        ({"type": "date"}, 1893456000, "date"),
        ({"type": "password"}, 123456, "string_type"),
        ({"type": "password", "validation": {"min": 8}}, "short", "too_small"),
        ({**CHOICE, "type": "multiselect"}, ["1", 2], "option"),
        ({**CHOICE, "type": "multiselect", "validation": {"max": 1}}, [1, True], "too_large"),
        ({**CHOICE, "type": "multiselect", "required": True}, [], "missing"),
        (CHOICE, "2", "option"),
        (CHOICE, [1], "option"),
        (CHOICE, "True", "option"),
        (BOTH, "one", "option"),
        ({"validation": {"pattern": "^a+$"}}, "b", "string_pattern_mismatch"),
        ({"validation": {"min": 2}}, "b", "too_small"),
        ({"type": "number", "validation": {"max": 2}}, 3, "too_large"),
        ({**CHOICE, "multiple": True, "validation": {"max": 1}}, [1, 1], "too_large"),
        ({"type": "file"}, ["id"], "upload_id"),
        ({"validation": {"pattern": "(?=a)"}}, "a", "pattern_unusable"),
    ],
)
def test_a_wrong_value_is_named_with_its_kind(field: dict[str, Any], sent: Any, kind: str):
    assert problems(form(field), {"a": sent}) == {"a": kind}


def test_every_wrong_field_is_named_at_once_with_unknown_ones_and_display_fields():
    schema = form({"required": True}, {"name": "n", "type": "number"}, {"name": "m", "type": "markdown"})
    assert problems(schema, {"n": "x", "m": 1, "z": 1}) == {
        "a": "missing", "n": "float_parsing", "m": "unknown_field", "z": "unknown_field"
    }  # fmt: skip


def test_a_million_unknown_fields_do_not_become_a_million_errors():
    assert len(problems(form(), {f"x{number}": 1 for number in range(10_000)})) <= 51


def test_the_forms_own_message_stands_for_a_wrong_value():
    schema = form({"validation": {"pattern": "^x$", "message": "Just an x"}})
    with pytest.raises(InvalidInputError) as caught:
        submitted(schema, {"a": "y"})
    expected = {"loc": ["body", "form_data", "a"], "type": "string_pattern_mismatch", "msg": "Just an x"}
    assert caught.value.errors == [expected]


def test_a_strict_dropdown_takes_only_what_its_provider_gives_now():
    schema = form({"type": "select", "dataProvider": "p"})
    assert submitted(schema, {"a": "7"}, {"a": [option(7)]}) == {"a": 7}
    assert problems(schema, {"a": 8}, {"a": [option(7)]}) == {"a": "option"}
    assert problems(schema, {"a": 7}) == {"a": "option"}
    free = form({"type": "select", "dataProvider": "p", "strictOptions": False})
    assert submitted(free, {"a": 8}) == {"a": 8}


def test_the_forms_own_message_stands_for_a_choice_that_its_provider_does_not_give():
    schema = form({"type": "select", "dataProvider": "p", "multiple": True, "validation": {"message": "Not this"}})
    with pytest.raises(InvalidInputError) as caught:
        submitted(schema, {"a": [7, 8]}, {"a": [option(7)]})
    assert [(error["type"], error["msg"]) for error in caught.value.errors] == [("option", "Not this")]


def test_a_choice_whose_value_is_null_is_no_empty_field():
    schema = form({"type": "select", "required": True, "options": [{"label": "none", "value": None}]})
    assert submitted(schema, {"a": "null"}) == {"a": None}


def test_hidden_fields_are_neither_required_nor_passed_on():
    schema = form({"name": "country"}, {"name": "vat", "required": True, "visibilityExpression": "country == 'DE'"})
    assert submitted(schema, {"country": "FR", "vat": 5}) == {"country": "FR"}
    assert problems(schema, {"country": "DE"}) == {"vat": "missing"}


def test_expressions_see_values_as_their_type_with_defaults():
    schema = form({"name": "n", "type": "number", "defaultValue": 9}, {"visibilityExpression": "n > 5"})
    assert [field.name for field in FormState(schema, {}).visible] == ["n", "a"]
    assert [field.name for field in FormState(schema, {"n": "3"}).visible] == ["n"]


def test_a_field_whose_visibility_fails_is_visible_and_reported_without_values(caplog: pytest.LogCaptureFixture):
    schema = form({"name": "n"}, {"visibilityExpression": "n > 5"})
    assert len(FormState(schema, {"n": "secret"}).visible) == 2
    assert "visibilityExpression of the field a failed" in caplog.text
    assert "secret" not in caplog.text


NO_LONGER = "n.exists(x, x == 1)"


@pytest.mark.parametrize(
    "field",
    [
        {"visibilityExpression": NO_LONGER},
        {
            "type": "select",
            "dataProvider": "p",
            "dataProviderInputs": {"i": {"mode": "expression", "expression": NO_LONGER}},
        },
    ],
    ids=["visibility", "inputs"],
)
def test_a_field_with_an_expression_that_no_longer_compiles_shows_and_is_not_required(field: dict[str, Any]):
    schema = form({"required": True, **field}, {"name": "n", "required": True})
    assert [field.name for field in FormState(schema, {}).visible] == ["a", "n"]
    assert problems(schema, {}) == {"n": "missing"}
    assert submitted(schema, {"n": "x"}) == {"n": "x"}
    assert submitted(schema, {"a": "v", "n": "x"}, {"a": [option("v")]}) == {"a": "v", "n": "x"}


def test_every_expression_that_does_not_compile_is_named_with_its_place():
    inputs = {
        "good": {"mode": "expression", "expression": "a + '!'"},
        "bad": {"mode": "expression", "expression": "a +"},
    }
    schema = form(
        {"visibilityExpression": "a == 'x'"},
        {"name": "b", "visibilityExpression": NO_LONGER},
        {"name": "c", "type": "select", "dataProvider": "p", "dataProviderInputs": inputs},
    )
    found = [(problem.loc, problem.type, problem.msg) for problem in problems_of(schema)]
    fields = ["formSchema", "fields"]
    assert found[0] == ([*fields, 1, "visibilityExpression"], "expression", "Macros such as exists are not taken")
    assert found[1][:2] == ([*fields, 2, "dataProviderInputs", "bad", "expression"], "expression")
    assert len(found) == 2


def test_inputs_that_fail_or_do_not_compile_refuse_with_the_name_of_their_field():
    for expression in ("a + 1", NO_LONGER):
        inputs = {"i": {"mode": "expression", "expression": expression}}
        schema = form({}, {"name": "b", "type": "select", "dataProvider": "p", "dataProviderInputs": inputs})
        with pytest.raises(InvalidInputError, match="The inputs of b can't be worked out") as caught:
            FormState(schema, {"a": "x", "n": "x"}).inputs_of(schema.fields[1])
        assert caught.value.errors[0]["loc"] == ["body", "form_data", "b"]


def test_a_pattern_that_would_backtrack_for_ages_takes_no_time():
    schema = form({"validation": {"pattern": "^(a+)+$"}})
    began = time.perf_counter()
    assert problems(schema, {"a": "a" * 50_000 + "b"}) == {"a": "string_pattern_mismatch"}
    assert time.perf_counter() - began < 2
    assert not is_linear_pattern(r"(a)\1")


EVERY_TYPE = form(
    *({"name": name, "type": name, "validation": {"min": 1, "max": 5}} for name in ("text", "email", "number", "file")),
    {"name": "checkbox", "type": "checkbox", "visibilityExpression": "text == number || number > 1"},
    {"name": "datetime", "type": "datetime"},
    {"name": "date", "type": "date"},
    {"name": "password", "type": "password"},
    {"name": "several", **CHOICE, "type": "multiselect"},
    {"name": "static", **CHOICE},
    {"name": "many", **CHOICE, "multiple": True},
    {"name": "provided", "type": "radio", "dataProvider": "p"},
)


@given(
    st.dictionaries(st.sampled_from([field.name for field in EVERY_TYPE.fields]), JSON)
    | st.dictionaries(st.text(), JSON, max_size=5)
)
def test_any_json_is_taken_or_refused_and_nothing_else(data: dict[str, Any]):
    with suppress(InvalidInputError):
        submitted(EVERY_TYPE, data, {"provided": [option(1), option("x")]})
