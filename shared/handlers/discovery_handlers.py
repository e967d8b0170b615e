"""What the workspace has, in one answer."""

from __future__ import annotations

from shared.discovery import ensure_loaded
from shared.handlers.function_views import data_providers_of, workflows_of
from shared.models.discovery import Discovery
from shared.registry import get_registry


async def get_discovery() -> Discovery:
    """All workflows and all data providers, each by name."""
    await ensure_loaded()
    registry = get_registry()
    return Discovery(workflows=workflows_of(registry), data_providers=data_providers_of(registry))
