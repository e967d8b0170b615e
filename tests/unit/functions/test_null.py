"""Null in a body: an optional field that is null counts as left out, whatever the route; a change clears by it."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from functions.http.routes import ROUTES, AnyContent, Nothing
from shared.models.base import ApiModel
from shared.models.configuration import ConfigWrite
from shared.models.organizations import OrganizationPatch
from tests.support.described import document

document()  # imports whatever declares routes
BODIES = sorted({route.body for route in ROUTES} - {Nothing, AnyContent}, key=lambda model: model.__name__)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def reachable(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all that it is made of."""
    found = {model}
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            found |= reachable(inner)
    return found


def optional_fields() -> list[tuple[type[ApiModel], str]]:
    models: set[Any] = set().union(*map(reachable, BODIES))
    return [
        (model, name)
        for model in sorted(models, key=lambda model: model.__name__)
        if not model.null_clears
        for name, field in model.model_fields.items()
        if not field.is_required()
    ]


def test_there_are_optional_fields_to_be_tried():
    assert len(optional_fields()) > 30


@pytest.mark.parametrize(
    ("model", "name"), optional_fields(), ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_null_counts_as_left_out_in_every_optional_field_of_every_body(model: type[ApiModel], name: str):
    names = {name, model.model_fields[name].alias or name}
    for written in names:
        # It may want other fields besides; nothing is said of this one.
        assert names.isdisjoint(wrong_fields(model, {written: None}))


def wrong_fields(model: type[ApiModel], body: dict[str, Any]) -> set[Any]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return {found["loc"][0] for found in error.errors() if found["loc"]}
    return set()


@pytest.mark.parametrize(
    "model", [model for model in BODIES if not model.null_clears], ids=lambda model: model.__name__
)
def test_a_body_with_nulls_is_the_body_without_these_fields(model: type[ApiModel]):
    examples: Any = model.model_config.get("json_schema_extra")
    (body,) = examples["examples"]
    for name, field in model.model_fields.items():
        if field.is_required():
            continue
        without = {key: value for key, value in body.items() if key not in (name, field.alias)}
        given = model.model_validate({**without, field.alias or name: None})
        assert given == model.model_validate(without)
        assert given.model_fields_set == model.model_validate(without).model_fields_set


def test_a_value_that_may_be_null_and_must_be_there_stays():
    assert ConfigWrite.model_validate({"key": "a", "value": None, "type": "json"}).value is None
    with pytest.raises(ValidationError, match="value"):
        ConfigWrite.model_validate({"key": "a", "type": "json"})


def test_in_what_changes_something_null_is_a_value():
    patch = OrganizationPatch.model_validate({"domain": None})
    assert patch.model_fields_set == {"domain"}
    assert all(route.method in ("PUT", "PATCH") for route in ROUTES if getattr(route.body, "null_clears", False))


def test_the_description_says_where_null_may_stand():
    fields = document()["components"]["schemas"]["ExecuteRequest"]["properties"]
    assert fields["transient"] == {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": False}
    value = document()["components"]["schemas"]["ConfigWrite"]["properties"]["key"]
    assert {"type": "null"} not in value.get("anyOf", [])
