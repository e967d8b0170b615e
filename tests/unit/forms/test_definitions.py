"""Forms that can't be, by what their fields give and the linked workflow takes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.forms.definitions import check_definition
from shared.models.forms import FormRequest
from shared.registry import WORKFLOW, FunctionMetadata, FunctionRegistry, staging


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


def test_a_password_has_no_default_and_is_never_in_an_address():
    assert problems({"type": "password", "defaultValue": "hunter2"}) == {("defaultValue", "no_default")}
    assert problems({"type": "password", "allowAsQueryParam": True}) == {("allowAsQueryParam", "password")}


def test_a_multiselect_needs_options():
    assert problems({"type": "multiselect"}) == {("options", "missing")}
