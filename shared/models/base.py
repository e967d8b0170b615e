"""What all models of the API have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def utc_text(moment: datetime) -> str:
    """ISO 8601 with the offset written out (`+00:00`), in UTC."""
    return moment.astimezone(UTC).isoformat()


GLOBAL_SCOPE = "GLOBAL"
"""The scope of what belongs to no organization."""

UtcDatetime = Annotated[
    AwareDatetime,
    PlainSerializer(utc_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_END_OF_A_DAY = "T23:59:59.999999"


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _last_moment(given: Any) -> Any:
    return given + _END_OF_A_DAY if isinstance(given, str) and _DATE.fullmatch(given) else given


_WRITTEN_MOMENT = WithJsonSchema(
    {
        "type": "string",
        "format": "date-time",
        "description": "Without an offset it is in UTC. A date alone (`2026-03-01`) is the whole day.",
    }
)
RangeStart = Annotated[datetime, AfterValidator(_as_utc), _WRITTEN_MOMENT]
RangeEnd = Annotated[datetime, BeforeValidator(_last_moment), AfterValidator(_as_utc), _WRITTEN_MOMENT]
"""Both ends of a time that is asked for belong to it."""

LARGEST_LIMIT = 1000
Limit = Annotated[
    int,
    Field(ge=1, description=f"How many at most. Above {LARGEST_LIMIT} it is {LARGEST_LIMIT}."),
    AfterValidator(lambda limit: min(limit, LARGEST_LIMIT)),
]


def example(value: dict[str, Any]) -> ConfigDict:
    """A model's configuration that shows this example in the API's description."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class ApiModel(BaseModel):
    """Base of every request and answer: camelCase outside, snake_case read as well, unknown fields refused.

    An optional field that is null counts as left out. Where `null_clears`, for bodies that change what is there, null
    gives the field its default.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        serialize_by_alias=True,
        frozen=True,
        # A cold start builds none of them; each is built when the first request needs it.
        defer_build=True,
        # Answers have all their fields, defaults too; their description says so.
        json_schema_serialization_defaults_required=True,
    )

    null_clears: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        if None not in fields.values():
            return fields
        optional = _optional_fields(cls)
        if cls.null_clears:
            return {
                name: optional[name].get_default(call_default_factory=True, validated_data={})
                if value is None and name in optional
                else value
                for name, value in fields.items()
            }
        return {name: value for name, value in fields.items() if value is not None or name not in optional}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        schema = handler(core_schema)
        if handler.mode == "validation":
            own, optional = handler.resolve_ref_schema(schema), _optional_fields(cls)
            for name in optional.keys() & own.get("properties", {}).keys():
                own["properties"][name] = _or_null(own["properties"][name])
        return schema


class ApiQuery(ApiModel):
    """Base of every query: a parameter that nobody reads is left out."""

    model_config = ConfigDict(extra="ignore")


class ListQuery(ApiQuery):
    """Base of the queries of lists: an unknown parameter is refused, since a filter that is none shows too much."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_added(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in cast("dict[str, Any]", given).items() if not is_added(name)}


def is_added(parameter: str) -> bool:
    """Whether it is one that browsers' libraries and campaigns add to any address."""
    return parameter == "_" or parameter.startswith("utm_")


@cache
def _optional_fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields of a model that may be left out, each by both its names."""
    fields = model.model_fields.items()
    return {text: field for name, field in fields if not field.is_required() for text in (name, field.alias or name)}


_ABOUT_A_FIELD = frozenset({"title", "description", "default", "examples"})


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema, for a field that may also be null."""
    about = {name: value for name, value in schema.items() if name in _ABOUT_A_FIELD}
    kind = {name: value for name, value in schema.items() if name not in _ABOUT_A_FIELD}
    if not kind or {"type": "null"} in kind.get("anyOf", []):
        return schema
    members = kind["anyOf"] if [*kind] == ["anyOf"] else [kind]
    return {"anyOf": [*members, {"type": "null"}], **about}
