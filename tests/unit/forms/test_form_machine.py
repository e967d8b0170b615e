"""Whatever a form is and however it is filled in, its options and its submission say the same.

A hypothesis state machine makes a form with cascades and fields that show by others, and edits and empties it at
random. What the options show as fillable and filled can be submitted; what they hide is neither asked nor passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from shared.errors import InvalidInputError
from shared.forms.cascades import input_fields, order, visibility_fields
from shared.forms.checks import submitted_values
from shared.forms.choices import Choices
from shared.forms.evaluation import evaluate, options_of_form
from shared.models.data_providers import Option
from shared.models.forms import DISPLAY_TYPES, FormField, FormOptions, FormSchema

NAMES = "abcdefg"
STATIC = [{"label": str(value), "value": value} for value in (1, "one", True)]
# For each type what a user may fill in, where the form itself says it.
VALUES: dict[str, list[Any]] = {
    "text": ["a", "ab", "1"],
    "number": [0, 1, 2.5, "12"],
    "checkbox": [True, False, "on", "off"],
    "select": [1, "1", "one", True],
    "multiselect": [[1], ["one", True], "one"],
    "date": ["2030-01-01"],
}
CONDITIONS = (
    *("{} != ''", "{} == ''", "{} == null", "{} > 1", "{} == 1", "{} == true", "size({}) > 0", "{}.startsWith('a')"),
    *("has(formData.{})", "!({} == 'a/1')", "formData.{} != []", "1 in {}"),
)
EMPTY = ("", None, [])
MISSING = object()


@st.composite
def fields_of_a_form(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    fields: list[dict[str, Any]] = []
    for at, name in enumerate(names):
        field: dict[str, Any] = {
            "name": name,
            "type": draw(st.sampled_from([*VALUES, "select", "select", "markdown"])),
        }
        if draw(st.booleans()):
            condition = draw(st.sampled_from(CONDITIONS))
            # Any other field: also in circles.
            field["visibilityExpression"] = condition.format(draw(st.sampled_from(names)))
        if field["type"] not in DISPLAY_TYPES:
            field["required"] = draw(st.booleans())
        if field["type"] in ("select", "multiselect"):
            if draw(st.booleans()):
                needs = draw(st.lists(st.sampled_from(names[:at]), max_size=2, unique=True)) if at else []
                field["dataProvider"] = draw(st.sampled_from(["texts", "numbers", "long"]))
                field["strictOptions"] = draw(st.booleans()) or draw(st.booleans())
                field["dataProviderInputs"] = {
                    f"{draw(st.sampled_from(['needs', 'may_have']))}_{need}": _input(need, draw(st.booleans()))
                    for need in needs
                }
            else:
                field["options"] = STATIC
        if field["type"] in ("text", "number", "checkbox") and draw(st.booleans()):
            field["defaultValue"] = draw(st.sampled_from(VALUES[field["type"]]))
        fields.append(field)
    return fields


def _input(name: str, is_reference: bool) -> dict[str, Any]:
    if is_reference:
        return {"mode": "fieldRef", "fieldName": name}
    return {"mode": "expression", "expression": f"[{name}, 1]"}


def _is_circular(schema: FormSchema) -> bool:
    """Whether fields show each other, so that those settled first count others as they were sent."""
    settled: set[str] = set()
    for level in order(schema):
        if not all(input_fields(field) | visibility_fields(field) <= settled for field in level):
            return True
        settled |= {field.name for field in level}
    return False


class Cascading:
    """Providers whose options are others for other inputs, so that a choice fits what it was made for only."""

    def optional_inputs(self, field: FormField) -> Collection[str]:
        return [name for name in field.data_provider_inputs if name.startswith("may_have")]

    async def options(self, field: FormField, inputs: Mapping[str, Any], value: Any) -> Sequence[Option]:
        told = sum(len(str(each)) for each in inputs.values())
        if field.data_provider == "texts":
            return [self._option(f"{told}/{number}") for number in (1, 2)]
        if field.data_provider == "numbers":
            return [self._option(told + number) for number in (1, 2)]
        everything = [self._option(1000 * told + number) for number in range(30)]
        first = everything[:3]
        items = value if isinstance(value, list) else [value]
        chosen = [Choices(everything).option_of(item) for item in items if value is not None]
        return [*first, *(option for option in chosen if option is not None and option not in first)]

    @staticmethod
    def _option(value: Any) -> Option:
        return Option(label=str(value), value=value, metadata=None)


class FilledIn(RuleBasedStateMachine):
    """One form, as one user fills it in."""

    schema: FormSchema
    loop: ClassVar[asyncio.Runner]

    @initialize(fields=fields_of_a_form(), admits=st.booleans())
    def begin(self, fields: list[dict[str, Any]], admits: bool) -> None:
        self.schema = FormSchema.model_validate({"fields": fields})
        self.data: dict[str, Any] = {}
        self.admits = admits
        self.changed: str | None = None

    @rule(data=st.data())
    def fill_in(self, data: st.DataObject) -> None:
        field = self._any_field(data)
        if field.data_provider is None:
            self._set(field, data.draw(st.sampled_from(VALUES[field.type])))
            return
        offered = {each.name: each for each in self._options().fields}[field.name]
        values = [option["value"] for option in offered.options] + ([*range(5, 8)] if offered.options else [])
        if values:
            value = data.draw(st.sampled_from(values))
            value = str(value) if data.draw(st.booleans()) else value
            self._set(field, [value] if field.multiple else value)

    @rule(data=st.data())
    def empty(self, data: st.DataObject) -> None:
        self._set(self._any_field(data), data.draw(st.sampled_from([*EMPTY, MISSING])))

    @invariant()
    def what_is_hidden_is_neither_asked_nor_passed_on(self) -> None:
        visible = self._options().visible
        assert visible.keys() == {field.name for field in self.schema.fields}
        try:
            passed_on = self._submitted(self.data)
        except InvalidInputError as error:
            wrong = {str(each["loc"][2]) for each in error.errors}
            assert all(visible[name] for name in wrong)
        else:
            assert all(visible[name] for name in passed_on)

    @invariant()
    def what_is_hidden_counts_as_empty(self) -> None:
        whole = self._options()
        if not _is_circular(self.schema):
            shown = {name: value for name, value in self.data.items() if whole.visible[name]}
            assert self._options(data=shown) == whole

    @invariant()
    def a_change_is_answered_as_the_whole_form_is(self) -> None:
        whole = self._options()
        part = self._options(self.changed) if self.changed is not None else whole
        assert part.visible == whole.visible
        by_name = {each.name: each for each in whole.fields}
        assert all(each == by_name[each.name] for each in part.fields)

    @invariant()
    def what_is_fillable_and_filled_can_be_submitted(self) -> None:
        data = dict(self.data)
        # Fields that show each other in a circle may go on for ever.
        for _ in range(4 * len(self.schema.fields)):
            found = self._options(data=data)
            left = [field for field in self.schema.fields if self._is_to_fill(field, found, data)]
            if not left:
                passed_on = self._submitted(data)
                filled = {name for name, value in data.items() if value not in EMPTY and found.visible[name]}
                assert filled <= passed_on.keys()
                return
            fillable = [(field, value) for field in left for value in self._choices(field, found)]
            if not fillable:
                return
            field, value = fillable[0]
            data[field.name] = [value] if field.multiple and field.data_provider is not None else value

    def _is_to_fill(self, field: FormField, found: FormOptions, data: Mapping[str, Any]) -> bool:
        if not found.visible[field.name] or field.type in DISPLAY_TYPES:
            return False
        own = {each.name: each for each in found.fields}.get(field.name)
        if own is not None and not own.value_fits:
            return True
        value = data.get(field.name, field.default_value)
        is_empty = value in (False, "off", *EMPTY) if field.type == "checkbox" else value in EMPTY
        # False is no empty value, and equal to none of them but 0.
        return field.required and is_empty and not (value == 0 and field.type == "number")

    def _choices(self, field: FormField, found: FormOptions) -> list[Any]:
        if field.data_provider is not None:
            own = {each.name: each for each in found.fields}[field.name]
            return [option["value"] for option in own.options] if own.state == "ready" else []
        return [True] if field.type == "checkbox" else VALUES[field.type]

    def _any_field(self, data: st.DataObject) -> FormField:
        fields = [field for field in self.schema.fields if field.type not in DISPLAY_TYPES]
        return data.draw(st.sampled_from(fields)) if fields else FormField(name="none", type="text")

    def _set(self, field: FormField, value: Any) -> None:
        if field.name == "none":
            return
        self.changed = field.name
        if value is MISSING:
            self.data.pop(field.name, None)
        else:
            self.data[field.name] = value

    def _options(self, *changed: str, data: Mapping[str, Any] | None = None) -> FormOptions:
        sent = self.data if data is None else data
        return self.loop.run(options_of_form(self.schema, sent, changed, Cascading()))

    def _submitted(self, data: Mapping[str, Any]) -> dict[str, Any]:
        state = self.loop.run(evaluate(self.schema, data, Cascading()))
        return submitted_values(state, lambda name, value: self.admits)


@pytest.mark.timeout(1800)
def test_what_the_options_show_is_what_can_be_submitted(request: pytest.FixtureRequest):
    full = request.config.getoption("--full")
    with asyncio.Runner() as FilledIn.loop:
        run_state_machine_as_test(
            FilledIn,
            settings=settings(
                max_examples=1000 if full else 20,
                stateful_step_count=15 if full else 6,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
