"""Workflows as the API shows them."""

from __future__ import annotations

from typing import Any

from shared.models.base import ApiModel


class ParameterOption(ApiModel):
    """A value that a parameter may have: what people see, and what is sent."""

    label: str
    value: Any


class ParameterModel(ApiModel):
    """A parameter of a workflow or data provider; `options` are the choices that its `enum` rule, or a Literal or
    an Enum in the signature, leaves; of the items where it is a list; null without such."""

    name: str
    type: str
    required: bool
    label: str
    data_provider: str | None
    default_value: Any
    help_text: str | None
    validation: dict[str, Any] | None
    options: list[ParameterOption] | None


class WorkflowModel(ApiModel):
    """A workflow's metadata."""

    name: str
    description: str
    category: str
    tags: list[str]
    parameters: list[ParameterModel]
    execution_mode: str
    timeout_seconds: float
    retry_policy: dict[str, Any] | None
    schedule: str | None
    endpoint_enabled: bool
    allowed_methods: list[str]
    disable_global_key: bool
    public_endpoint: bool
    source: str | None
    verify: str | None
    dedupe_header: str | None
