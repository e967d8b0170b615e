"""The app's health as the API shows it."""

from __future__ import annotations

from typing import Any, Literal

from shared.models.base import ApiModel

Health = Literal["healthy", "degraded", "unhealthy"]


class LoadErrorModel(ApiModel):
    """A workspace file that could not be loaded."""

    file: str
    line: int | None
    reason: str


class HealthDetails(ApiModel):
    """What administrators see besides."""

    workflows: int
    data_providers: int
    load_errors: list[LoadErrorModel]
    runs: dict[str, Any]


class HealthModel(ApiModel):
    """How the app is. `degraded`: it works, but not all of it."""

    status: Health
    checks: dict[str, Health]
    details: HealthDetails | None = None
