"""What all models of the API have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


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


def example(value: dict[str, Any]) -> ConfigDict:
    """A model's configuration that shows this example in the API's description."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class ApiModel(BaseModel):
    """Base of every request and answer: camelCase outside, snake_case read as well, unknown fields refused."""

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
