"""Forms that can't be, by what their fields give and the linked workflow takes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import pytest

from shared.errors import InvalidInputError
from shared.forms.definitions import check_definition
from shared.forms.fitting import arguments_of
from shared.models.forms import FieldValidation, FormRequest, FormSchema
from shared.parameters.validation import plan_of
from shared.registry import WORKFLOW, FunctionMetadata, FunctionRegistry, WorkflowParameter, staging


async def linked(a: Any = None) -> None: ...


def problems(field: dict[str, Any], annotation: Any = Any) -> set[tuple[str, str]]:
    """What is wrong with a form of one field `a`, for a workflow whose parameter `a` is annotated so."""
    linked.__annotations__["a"] = annotation
    registry = FunctionRegistry()
    registry.register_function(FunctionMetadata("linked", tags=[WORKFLOW], function=linked))
    schema = {"fields": [{"name": "a", "type": "text", **field}]}
    with staging(registry):
        try:
            check_definition(
                FormRequest.model_validate({"name": "f", "linkedWorkflow": "linked", "formSchema": schema})
            )
        except InvalidInputError as error:
            return {(str(problem["loc"][-1]), problem["type"]) for problem in error.errors}
    return set()


ONE = {"options": [{"label": "one", "value": 1}]}


@pytest.mark.parametrize(
    ("field", "annotation"),
    [
        ({"type": "datetime"}, date),
        ({"type": "number"}, str),
        ({"type": "number"}, list[str]),
        ({"type": "checkbox"}, int),
        ({"type": "checkbox"}, date),
        ({"type": "email"}, date),
        ({"type": "date"}, int),
        ({"type": "file"}, str),
        ({"type": "multiselect", **ONE}, int),
        ({"type": "select", "multiple": True, **ONE}, int),
    ],
)
def test_a_field_whose_values_its_parameter_never_takes_is_refused_when_the_form_is_saved(
    field: dict[str, Any], annotation: Any
):
    assert problems(field, annotation) == {("type", "misfit")}


@pytest.mark.parametrize(
    ("field", "annotation"),
    [
        ({"type": "date"}, date),
        ({"type": "date"}, datetime),
        ({"type": "datetime"}, datetime),
        ({"type": "datetime"}, date | datetime),
        ({"type": "file"}, dict),
        ({"type": "multiselect", **ONE}, list[int]),
        ({"type": "multiselect", **ONE}, set[int] | None),
        ({"type": "multiselect", **ONE}, Any),
        ({"type": "select", **ONE}, int),
        ({"type": "password"}, str),
    ],
)
def test_a_field_whose_values_its_parameter_takes_is_saved(field: dict[str, Any], annotation: Any):
    assert problems(field, annotation) == set()


@pytest.mark.parametrize(
    ("field", "annotation"),
    [
        ({"type": "select", "options": [{"label": "a", "value": "a"}]}, int),
        ({"type": "radio", "options": [{"label": "p", "value": "purple"}]}, Literal["red", "blue"]),
        ({"type": "multiselect", "options": [{"label": "a", "value": "a"}]}, list[int]),
    ],
)
def test_options_of_which_the_parameter_takes_none_are_refused(field: dict[str, Any], annotation: Any):
    assert problems(field, annotation) == {("options", "misfit")}


def test_a_required_text_must_be_able_to_have_a_character():
    assert problems({"type": "text", "required": True, "validation": {"max": 0}}) == {("max", "range")}


def test_an_empty_pattern_is_none():
    assert FieldValidation(pattern="").pattern is None


def test_a_password_has_no_default_and_is_never_in_an_address():
    assert problems({"type": "password", "defaultValue": "hunter2"}) == {("defaultValue", "no_default")}
    assert problems({"type": "password", "allowAsQueryParam": True}) == {("allowAsQueryParam", "password")}


def test_a_multiselect_needs_options():
    assert problems({"type": "multiselect"}) == {("options", "missing")}


CHOSEN = ["a, b", "[1]", "1", "true", "{", 5, True, {"a": 1}, ["a, b", "[1]"]]


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize(("kind", "annotation"), [("list", None), ("list", list[Any]), ("json", None), ("json", Any)])
def test_a_choice_reaches_the_workflow_as_it_is(chosen: Any, kind: str, annotation: Any):
    parameter = WorkflowParameter("a", kind, annotation=annotation)

    async def function(a: Any) -> None: ...

    metadata = FunctionMetadata("linked", tags=[WORKFLOW], function=function, parameters=[parameter])
    schema = FormSchema.model_validate({"fields": [{"name": "a", "type": "select", **ONE}]})
    (found,) = plan_of(metadata).validator.validate(arguments_of(schema, {"a": chosen}, metadata)).values()
    assert found == ([chosen] if kind == "list" and not isinstance(chosen, list) else chosen)
    assert type(found) is (list if kind == "list" else type(chosen))


def test_what_is_typed_for_a_list_or_for_json_is_read():
    metadata = FunctionMetadata("linked", function=linked, parameters=[WorkflowParameter("a", "list")])
    schema = FormSchema.model_validate({"fields": [{"name": "a", "type": "text"}]})
    assert arguments_of(schema, {"a": "a, b"}, metadata) == {"a": "a, b"}
