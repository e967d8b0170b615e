"""Dropdowns that depend on each other: inputs, order, circles, and a whole form in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInputError, ProviderFailedError
from shared.forms.bindings import resolve_inputs
from shared.forms.cascades import CyclicInputsError, check_cycles, order
from shared.forms.evaluation import options_of_form
from shared.forms.expressions import ExpressionError
from shared.models.data_providers import Option
from shared.models.forms import FieldOptions, FormField, FormSchema


def ref(name: str) -> dict[str, Any]:
    return {"mode": "fieldRef", "fieldName": name}


def dropdown(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    inputs = {f"in_{need}": ref(need) for need in needs}
    return {"name": name, "type": "select", "dataProvider": "p", "dataProviderInputs": inputs, **more}


def form(*fields: dict[str, Any]) -> FormSchema:
    return FormSchema.model_validate({"fields": list(fields)})


def bound_field(**inputs: dict[str, Any]) -> FormField:
    return form({**dropdown("a"), "dataProviderInputs": inputs}).fields[0]


class ParentsAndOne:
    """Options `PARENT/1` and `PARENT/2`, so that a child's value fits its own parent only."""

    def __init__(self, *optional: str) -> None:
        self._optional = optional

    def optional_inputs(self, field: FormField) -> Collection[str]:
        return self._optional

    async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
        parent = "".join(map(str, inputs.values()))
        return [Option(label="", value=f"{parent}/{number}", metadata=None) for number in (1, 2)]


async def looked_at(
    schema: FormSchema, data: dict[str, Any], *changed: str, providers: ParentsAndOne | None = None
) -> list[FieldOptions]:
    return (await options_of_form(schema, data, changed, providers or ParentsAndOne())).fields


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
    found = await looked_at(schema, data)
    assert [own.state for own in found] == ["ready"] * 5
    assert found[4].options[0]["value"] == "/1/1/1/1/1"


async def test_a_value_that_no_longer_fits_counts_as_empty_for_those_below():
    schema = form(dropdown("a"), dropdown("b", "a"), dropdown("c", "b"), dropdown("d", "c"))
    data = {"a": "/2", "b": "/1/1", "c": "/1/1/1", "d": "/1/1/1/1"}
    found = await looked_at(schema, data, "a")
    assert [(own.name, own.state, own.value_fits, own.waiting_for) for own in found] == [
        ("b", "ready", False, []),
        ("c", "waiting", False, ["b"]),
        ("d", "waiting", False, ["c"]),
    ]


async def test_only_what_depends_on_the_changed_fields_runs():
    schema = form(dropdown("a"), dropdown("b", "a"), dropdown("x"), dropdown("y", "x"))
    found = await looked_at(schema, {"a": "/1", "x": "/1"}, "x")
    assert [own.name for own in found] == ["y"]


async def test_expressions_cascade_too():
    below = {**dropdown("b"), "dataProviderInputs": {"i": {"mode": "expression", "expression": "formData['a'] + '!'"}}}
    found = await looked_at(form(below, dropdown("a")), {"a": "/1"})
    assert [option["value"] for option in found[0].options] == ["/1!/1", "/1!/2"]


async def test_independent_providers_run_side_by_side_and_one_that_fails_fails_alone():
    everyone_is_here = asyncio.Barrier(3)

    class Meeting(ParentsAndOne):
        async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
            async with asyncio.timeout(10):
                await everyone_is_here.wait()
            if field.name == "b":
                raise ProviderFailedError("p failed")
            return await super().options(field, inputs, value)

    schema = form(dropdown("a"), dropdown("b"), dropdown("c"))
    found = await looked_at(schema, {"b": "own"}, providers=Meeting())
    assert [(own.state, own.message) for own in found] == [("ready", None), ("error", "p failed"), ("ready", None)]
    assert found[1].value_fits


async def test_inputs_that_no_longer_compile_are_an_error_of_their_field_alone():
    stored = {"i": {"mode": "expression", "expression": "a.exists(x, x == 1)"}, "j": ref("a")}
    schema = form(dropdown("a"), {**dropdown("b"), "dataProviderInputs": stored}, dropdown("c", "b"))
    found = await looked_at(schema, {"a": "/1", "b": "/1/1"})
    assert [(own.name, own.state) for own in found] == [("a", "ready"), ("b", "error"), ("c", "ready")]
    assert found[1].message == "Macros such as exists are not taken"


async def test_what_the_client_gets_is_json_in_camel_case():
    found = await looked_at(form(dropdown("a"), dropdown("b", "a")), {})
    assert found[1].model_dump(by_alias=True) == {
        "name": "b", "state": "waiting", "visible": True, "options": [], "waitingFor": ["a"], "message": None,
        "valueFits": True
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

    class Counting(ParentsAndOne):
        async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
            runs.append(field.name)
            return await super().options(field, inputs, value)

    async with asyncio.timeout(10):
        await looked_at(form(*fields), {"f0": "/1", "f1": "/2"}, *changed, providers=Counting())
    assert len(runs) == len(set(runs))


async def test_what_a_hidden_field_feeds_waits_or_goes_without_it():
    hidden = dropdown("b", visibilityExpression="x == 'on'")
    schema = form({"name": "x", "type": "text"}, dropdown("a"), hidden, dropdown("c", "a", "b"))
    data = {"a": "/1", "b": "/2", "c": "/1/1"}
    found = {own.name: own for own in await looked_at(schema, data)}
    assert (found["b"].state, found["b"].visible, found["b"].options) == ("hidden", False, [])
    assert (found["c"].state, found["c"].waiting_for) == ("waiting", ["b"])
    optional = ParentsAndOne("in_b")
    found = {own.name: own for own in await looked_at(schema, data, providers=optional)}
    assert (found["c"].state, found["c"].value_fits) == ("ready", True)
    emptied = {**data, "x": "on", "b": ""}
    assert (await looked_at(schema, emptied, providers=optional))[2].state == "ready"
    shown = {own.name: own for own in await looked_at(schema, {**data, "x": "on"}, providers=optional)}
    assert [option["value"] for option in shown["c"].options] == ["/1/2/1", "/1/2/2"]


async def test_every_field_says_whether_it_shows_and_visibility_sees_a_choice_as_its_options_have_it():
    class Numbers(ParentsAndOne):
        async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
            return [Option(label="one", value=1, metadata=None)]

    note = {"name": "note", "type": "text", "visibilityExpression": "a == 1"}
    schema = form(dropdown("a"), {"name": "z", "type": "text"}, note, {"name": "m", "type": "markdown"})
    for changed in ([], ["z"], ["a"]):
        found = await options_of_form(schema, {"a": "1"}, changed, Numbers())
        assert found.visible == {"a": True, "z": True, "note": True, "m": True}
    # What is no longer a choice counts as empty.
    assert not (await options_of_form(schema, {"a": "2"}, ["z"], Numbers())).visible["note"]


async def test_a_dropdown_that_does_not_show_is_not_run():
    runs: list[str] = []

    class Counting(ParentsAndOne):
        async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
            runs.append(field.name)
            return await super().options(field, inputs, value)

    hidden = dropdown("b", visibilityExpression="a == '/2'")
    await looked_at(form(dropdown("a"), hidden), {"a": "/1", "b": "/1"}, providers=Counting())
    assert runs == ["a"]


def test_inputs_and_visibility_that_wait_for_each_other_are_settled_by_what_was_sent():
    schema = form(dropdown("a", "b"), dropdown("b", visibilityExpression="a == '/1'"))
    assert [[field.name for field in level] for level in order(schema)] == [["b"], ["a"]]
    first = {"name": "c", "type": "text", "visibilityExpression": "a != ''"}
    schema = form(first, dropdown("a", visibilityExpression="b == ''"), dropdown("b", visibilityExpression="a == ''"))
    assert [[field.name for field in level] for level in order(schema)] == [["a"], ["c", "b"]]
