"""JSON Schemas of the models: of requests as they are read, and of answers as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from shared.parameters.json_schema import Schema, inlined

Mode = Literal["validation", "serialization"]

REF = "#/components/schemas/"


class _Generator(GenerateJsonSchema):
    # A title that is the name once more says nothing.
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


class Schemas:
    """The schemas of a set of models, with what they share below `components/schemas`.

    Args:
        requests: what is read from a body.
        answers: what is written.
    """

    def __init__(self, requests: Iterable[object], answers: Iterable[object]) -> None:
        modes: tuple[tuple[Mode, Iterable[object]], ...] = (("validation", requests), ("serialization", answers))
        wanted = {(model, mode): None for mode, models in modes for model in models}
        inputs = [((model, mode), mode, TypeAdapter[Any](cast("Any", model))) for model, mode in wanted]
        found, shared = TypeAdapter.json_schemas(
            cast("Any", inputs), ref_template=f"{REF}{{model}}", schema_generator=_Generator
        )
        # By their places in `inputs`: pydantic gives each schema under its key and mode.
        self._found = {key[0]: schema for key, schema in cast("dict[Any, Schema]", found).items()}
        self.components: dict[str, Schema] = shared.get("$defs", {})

    def request(self, model: object) -> Schema:
        return self._found[model, "validation"]

    def answer(self, model: object) -> Schema:
        return self._found[model, "serialization"]

    def dereferenced(self, schema: Schema) -> Schema:
        """The schema that this is, or that it refers to."""
        return self.components[schema["$ref"].removeprefix(REF)] if "$ref" in schema else schema


def query_parameters(model: type[BaseModel]) -> list[Schema]:
    """The parameters of a query that is read as this model."""
    schema = inlined(model.model_json_schema(mode="validation", schema_generator=_Generator))
    needed = schema.get("required", [])
    parameters: list[Schema] = [
        query_parameter(name, _without_null(found), required=name in needed)
        for name, found in schema["properties"].items()
    ]
    for parameter in parameters:
        if parameter.get("schema", {}).get("type") == "array":
            # Several values stand in one parameter, with commas between them.
            parameter |= {"style": "form", "explode": False}
    if model.model_config.get("extra") == "allow":
        parameters.append(free_parameters())
    return parameters


def query_parameter(name: str, schema: Schema, *, required: bool) -> Schema:
    """One parameter of a query; what has a structure is JSON text there."""
    description = schema.pop("description", None)
    parameter: Schema = {"name": name, "in": "query", "required": required}
    if description:
        parameter["description"] = description
    if is_plain_value(schema):
        return {**parameter, "schema": schema}
    return {**parameter, "content": {"application/json": {"schema": schema}}}


def free_parameters() -> Schema:
    """Parameters of any name, which a query may have besides."""
    return {
        "name": "others",
        "in": "query",
        "required": False,
        "description": "Parameters of any other name; each is a parameter of the query by itself.",
        "style": "form",
        "explode": True,
        "schema": {"type": "object", "additionalProperties": True},
    }


def is_plain_value(schema: Mapping[str, Any]) -> bool:
    """Whether a query or a form has a word for each of these values, and not only JSON."""
    members = schema.get("anyOf")
    if members is not None:
        return all(is_plain_value(member) for member in members)
    if schema.get("type") == "array":
        return is_plain_value(schema.get("items", {"type": "string"}))
    return schema.get("type") in ("string", "integer", "number", "boolean") or "enum" in schema or "const" in schema


def _without_null(schema: Schema) -> Schema:
    """A query has no null: a parameter that may be null is one that may be left out."""
    members = [member for member in schema.get("anyOf", []) if member != {"type": "null"}]
    fields = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    if len(members) == 1:
        return {**{name: value for name, value in fields.items() if name != "anyOf"}, **members[0]}
    return {**fields, "anyOf": members} if members else fields
