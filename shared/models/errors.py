"""The one shape of every answer outside 2xx."""

from __future__ import annotations

from typing import Any

from shared.models.base import ApiModel


class ErrorResponse(ApiModel):
    """What went wrong: a code for programs, a sentence for people, and facts."""

    error: str
    message: str
    details: dict[str, Any] | None = None
