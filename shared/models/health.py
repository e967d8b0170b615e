"""The app's health as the API shows it."""

from __future__ import annotations

from typing import Any, Literal

from shared.models.base import ApiModel
from shared.models.forms import FormProblem

Health = Literal["healthy", "degraded", "unhealthy"]


class LoadErrorModel(ApiModel):
    """A workspace file that could not be loaded."""

    file: str
    line: int | None
    reason: str


class FormWithProblems(ApiModel):
    """A stored form with expressions that no longer compile; `problems` as in the form."""

    form_id: str
    name: str
    org_id: str | None
    problems: list[FormProblem]


class HealthDetails(ApiModel):
    """What administrators see besides.

    Attributes:
        forms: those of the scope, and global ones, that have problems, as they were within the last minute; 100 at
            most. None when they can't be read now.
    """

    workflows: int
    data_providers: int
    load_errors: list[LoadErrorModel]
    runs: dict[str, Any]
    forms: list[FormWithProblems] | None


class HealthModel(ApiModel):
    """How the app is. `degraded`: it works, but not all of it."""

    status: Health
    checks: dict[str, Health]
    details: HealthDetails | None = None
