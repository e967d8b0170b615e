"""Dropdowns that depend on each other: inputs, order, circles, and a whole form in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError, ProviderFailedError
from shared.forms.bindings import resolve_inputs
from shared.forms.cascades import CyclicInputsError, check_cycles, options_of_form, order
from shared.forms.expressions import ExpressionError
from shared.forms.state import FormState
from shared.models.data_providers import Option
from shared.models.forms import FormField, FormSchema


def ref(name: str) -> dict[str, Any]:
    return {"mode": "fieldRef", "fieldName": name}


def dropdown(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    inputs = {f"in_{need}": ref(need) for need in needs}
    return {"name": name, "type": "select", "dataProvider": "p", "dataProviderInputs": inputs, **more}


def form(*fields: dict[str, Any]) -> FormSchema:
    return FormSchema.model_validate({"fields": list(fields)})


def bound_field(**inputs: dict[str, Any]) -> FormField:
    return form({**dropdown("a"), "dataProviderInputs": inputs}).fields[0]


async def parents_and_one(field: FormField, inputs: Mapping[str, Any]) -> Sequence[Option]:
    """Options `PARENT/1` and `PARENT/2`, so that a child's value fits its own parent only."""
    parent = "".join(map(str, inputs.values()))
    return [Option(label="", value=f"{parent}/{number}", metadata=None) for number in (1, 2)]


def test_static_inputs_come_from_the_form_whatever_a_caller_sends():
    field = bound_field(tenant={"mode": "static", "value": "mine"})
    bound = resolve_inputs(field, {}, {"tenant": "theirs", "other": 1, "search": "x", "limit": 5})
    assert (bound.inputs, bound.waiting_for) == ({"tenant": "mine", "search": "x", "limit": 5}, [])


def test_a_search_that_the_form_binds_is_not_the_callers():
    field = bound_field(search=ref("term"))
    assert resolve_inputs(field, {"term": "own"}, {"search": "x"}).inputs == {"search": "own"}


def test_a_reference_is_the_forms_value_or_else_what_the_client_worked_out():
    field = bound_field(country=ref("country"))
    assert resolve_inputs(field, {"country": "DE"}, {"country": "FR"}).inputs == {"country": "DE"}
    assert resolve_inputs(field, {}, {"country": "FR"}).inputs == {"country": "FR"}
    assert resolve_inputs(field, {"country": ""}, {}).waiting_for == ["country"]


def test_an_expression_waits_for_its_empty_fields_and_is_never_the_callers():
    field = bound_field(key={"mode": "expression", "expression": "'k-' + formData.region + city"})
    assert resolve_inputs(field, {"region": "r", "city": "c"}, {}).inputs == {"key": "k-rc"}
    assert resolve_inputs(field, {"city": "c"}, {"key": "k-other"}).waiting_for == ["region"]
    with pytest.raises(ExpressionError):
        resolve_inputs(field, {"region": 1, "city": "c"}, {})


async def test_five_levels_are_one_call():
    schema = form(dropdown("a"), dropdown("b", "a"), dropdown("c", "b"), dropdown("d", "c"), dropdown("e", "d"))
    data = {"a": "/1", "b": "/1/1", "c": "/1/1/1", "d": "/1/1/1/1"}
    found = await options_of_form(FormState(schema, data), [], parents_and_one)
    assert [own.state for own in found] == ["ready"] * 5
    assert found[4].options[0]["value"] == "/1/1/1/1/1"


async def test_a_value_that_no_longer_fits_counts_as_empty_for_those_below():
    schema = form(dropdown("a"), dropdown("b", "a"), dropdown("c", "b"), dropdown("d", "c"))
    data = {"a": "/2", "b": "/1/1", "c": "/1/1/1", "d": "/1/1/1/1"}
    found = await options_of_form(FormState(schema, data), ["a"], parents_and_one)
    assert [(own.name, own.state, own.value_fits, own.waiting_for) for own in found] == [
        ("b", "ready", False, []),
        ("c", "waiting", False, ["b"]),
        ("d", "waiting", False, ["c"]),
    ]


async def test_only_what_depends_on_the_changed_fields_runs():
    schema = form(dropdown("a"), dropdown("b", "a"), dropdown("x"), dropdown("y", "x"))
    found = await options_of_form(FormState(schema, {"a": "/1", "x": "/1"}), ["x"], parents_and_one)
    assert [own.name for own in found] == ["y"]


async def test_expressions_cascade_too():
    below = {**dropdown("b"), "dataProviderInputs": {"i": {"mode": "expression", "expression": "formData['a'] + '!'"}}}
    found = await options_of_form(FormState(form(below, dropdown("a")), {"a": "/1"}), [], parents_and_one)
    assert [option["value"] for option in found[0].options] == ["/1!/1", "/1!/2"]


async def test_independent_providers_run_side_by_side_and_one_that_fails_fails_alone():
    everyone_is_here = asyncio.Barrier(3)

    async def load(field: FormField, inputs: Mapping[str, Any]) -> Sequence[Option]:
        async with asyncio.timeout(10):
            await everyone_is_here.wait()
        if field.name == "b":
            raise ProviderFailedError("p failed")
        return await parents_and_one(field, inputs)

    found = await options_of_form(FormState(form(dropdown("a"), dropdown("b"), dropdown("c")), {"b": "own"}), [], load)
    assert [(own.state, own.message) for own in found] == [("ready", None), ("error", "p failed"), ("ready", None)]
    assert found[1].value_fits


async def test_inputs_that_no_longer_compile_are_an_error_of_their_field_alone():
    stored = {"i": {"mode": "expression", "expression": "a.exists(x, x == 1)"}, "j": ref("a")}
    schema = form(dropdown("a"), {**dropdown("b"), "dataProviderInputs": stored}, dropdown("c", "b"))
    found = await options_of_form(FormState(schema, {"a": "/1", "b": "/1/1"}), [], parents_and_one)
    assert [(own.name, own.state) for own in found] == [("a", "ready"), ("b", "error"), ("c", "ready")]
    assert found[1].message == "Macros such as exists are not taken"


async def test_what_the_client_gets_is_json_in_camel_case():
    found = await options_of_form(FormState(form(dropdown("a"), dropdown("b", "a")), {}), [], parents_and_one)
    assert found[1].model_dump(by_alias=True) == {
        "name": "b", "state": "waiting", "options": [], "waitingFor": ["a"], "message": None, "valueFits": True
    }  # fmt: skip
    assert found[0].model_dump(by_alias=True)["options"][0] == {"label": "", "value": "/1", "metadata": None}


def test_a_circle_is_refused_with_its_names_in_order():
    schema = form(dropdown("z", "c"), dropdown("a", "b"), dropdown("b", "c"), dropdown("c", "a"))
    with pytest.raises(CyclicInputsError, match="c → a → b → c") as caught:
        check_cycles(schema)
    assert isinstance(caught.value, InvalidInputError)
    assert caught.value.errors[0]["loc"] == ["body", "formSchema", "fields", 3, "dataProviderInputs"]
    with pytest.raises(CyclicInputsError, match="a → a"):
        check_cycles(form(dropdown("a", "a")))


NAMES = "abcdefg"
GRAPHS = st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES), max_size=3) for name in NAMES})


def reaches_itself(graph: dict[str, set[str]], start: str) -> bool:
    seen: set[str] = set()
    left = list(graph[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(graph[name])
    return start in seen


@given(GRAPHS)
def test_circles_are_always_found_and_everything_else_has_an_order(graph: dict[str, set[str]]):
    schema = form(*(dropdown(name, *sorted(needs)) for name, needs in graph.items()))
    if any(reaches_itself(graph, name) for name in NAMES):
        with pytest.raises(CyclicInputsError) as caught:
            order(schema)
        names = caught.value.names
        assert names[0] == names[-1]
        assert all(after in graph[before] for before, after in pairwise(names))
        return
    levels = order(schema)
    before: set[str] = set()
    for level in levels:
        assert all(graph[field.name] <= before for field in level)
        before |= {field.name for field in level}
    assert before == set(NAMES)


@given(st.lists(st.sets(st.integers(0, 9), max_size=3), min_size=1, max_size=8), st.sets(st.sampled_from(["f0", "f3"])))
async def test_cascades_end_with_each_provider_run_once_at_most(needs: list[set[int]], changed: set[str]):
    fields = [
        dropdown(f"f{at}", *(f"f{need}" for need in sorted(earlier) if need < at)) for at, earlier in enumerate(needs)
    ]
    runs: list[str] = []

    async def load(field: FormField, inputs: Mapping[str, Any]) -> Sequence[Option]:
        runs.append(field.name)
        return await parents_and_one(field, inputs)

    async with asyncio.timeout(10):
        await options_of_form(FormState(form(*fields), {"f0": "/1", "f1": "/2"}), changed, load)
    assert len(runs) == len(set(runs))
