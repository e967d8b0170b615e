"""Configuration values as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from shared.models.base import ApiModel, ApiQuery, UtcDatetime, example

ConfigType = Literal["string", "int", "bool", "json", "secret_ref"]
OWN_ORGANIZATION = "org"
"""The scope that stands for the organization which a call works in."""
ConfigKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]


class ConfigWrite(ApiModel):
    """A value to be set, of the type that it says; text is read as the type where it can be (`"5"`, `"true"`).

    A `secret_ref` says where the secret is: `env:NAME` for an app setting, or the name of a secret in the key vault,
    with `/VERSION` for one of its versions. `scope` is `GLOBAL`, or `org` for the organization that the call works in;
    left out, it is the scope that the call works in.
    """

    model_config = example({"key": "smtp.port", "value": 587, "type": "int", "description": "Of the mail server"})

    key: ConfigKey
    value: Any
    type: ConfigType = "string"
    description: str = Field(default="", max_length=500)
    scope: str | None = None


class ConfigValue(ApiModel):
    """A value that is set; of a `secret_ref` the reference, never the secret.

    `problem` says what keeps runs from it, where something does: an app setting that is not there.
    """

    key: str
    value: Any
    type: ConfigType
    description: str = ""
    scope: str
    updated_by: str
    updated_at: UtcDatetime
    problem: str | None = None


class ConfigScopeQuery(ApiQuery):
    """Where the value is set, see `ConfigWrite`."""

    scope: str | None = None
