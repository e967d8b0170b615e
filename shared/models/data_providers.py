"""Data providers as the API shows them. Unlike the rest of the API, these models are snake_case outside too."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import ConfigDict, Field, Json, with_config
from typing_extensions import TypedDict

from shared.models.base import ApiModel, ApiQuery, UtcDatetime, example, is_added
from shared.models.workflows import ParameterModel


@with_config(ConfigDict(extra="allow"))
class Option(TypedDict):
    """One option of a dropdown: what people see, what is submitted, and whatever else the provider gave with it."""

    label: str
    value: Any
    metadata: dict[str, Any] | None


class _SnakeCaseModel(ApiModel):
    model_config = ConfigDict(alias_generator=None)


class DataProviderModel(_SnakeCaseModel):
    """A data provider's metadata."""

    name: str
    description: str
    category: str
    cache_ttl_seconds: float
    parameters: list[ParameterModel]


class DataProviderList(_SnakeCaseModel):
    """The data providers of the workspace."""

    providers: list[DataProviderModel]


class ProviderOptions(_SnakeCaseModel):
    """A provider's answer.

    Attributes:
        provider: its name.
        options: in the provider's order. Answers from memory share them: they are not to be changed.
        cached: whether they were at hand, so that the provider was not run for this call.
        cache_expires_at: until when this answer may be given again; None when it is not kept.
        stale: whether that moment is over, and the answer is given because the provider fails.
    """

    provider: str
    options: list[Option]
    cached: bool
    cache_expires_at: UtcDatetime | None
    stale: bool


class ProviderRequest(ApiModel):
    """What a provider is asked; `noCache` has it run though an answer is at hand.

    `orgId` may say which organization the call works in; it chooses none.
    """

    model_config = example({"inputs": {"country": "de"}})

    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    no_cache: bool = False
    org_id: str | None = None


class ProviderQuery(ApiQuery):
    """The same in a query: `inputs` as JSON text, and every other parameter one input, which wins over `inputs`."""

    model_config = ConfigDict(extra="allow")

    inputs: Json[dict[str, Any] | None] = None
    no_cache: bool = False
    org_id: str | None = None

    def as_request(self, parameters: Collection[str]) -> ProviderRequest:
        """The query as the body of a POST would say it, for a provider that has these parameters."""
        others = {
            name: value for name, value in (self.model_extra or {}).items() if name in parameters or not is_added(name)
        }
        return ProviderRequest(inputs={**(self.inputs or {}), **others}, no_cache=self.no_cache, org_id=self.org_id)
