"""The app's health."""

from __future__ import annotations

from typing import Any

from shared.access.principal import Principal
from shared.discovery import ensure_loaded, get_workspace
from shared.errors import ServiceUnavailableError
from shared.handlers.services import get_services
from shared.models.health import Health, HealthDetails, HealthModel, LoadErrorModel
from shared.registry import get_registry
from shared.runtime.watch import pool_figures


async def get_health(principal: Principal | None) -> HealthModel:
    """Whether the app can do its work, and for administrators what it is made of and busy with.

    Raises:
        ServiceUnavailableError: storage is out of reach, so that no run can be recorded.
    """
    await ensure_loaded()
    errors = get_workspace().load_errors
    figures = pool_figures()
    busy: Health = "degraded" if figures["abandoned"] or figures["waiting"] else "healthy"
    checks: dict[str, Health] = {
        "storage": "healthy" if await get_services().storage.check() else "unhealthy",
        "workspace": "degraded" if errors else "healthy",
        "runs": busy,
    }
    details = _details(errors, figures) if principal is not None and principal.is_platform_admin else None
    status: Health = "degraded" if "degraded" in checks.values() else "healthy"
    if checks["storage"] == "unhealthy":
        health = HealthModel(status="unhealthy", checks=checks, details=details)
        raise ServiceUnavailableError("Storage is out of reach", retry_after=5, details=health.model_dump(mode="json"))
    return HealthModel(status=status, checks=checks, details=details)


def _details(errors: list[Any], figures: dict[str, Any]) -> HealthDetails:
    registry = get_registry()
    return HealthDetails(
        workflows=registry.get_workflow_count(),
        data_providers=registry.get_data_provider_count(),
        load_errors=[LoadErrorModel(file=error.file, line=error.line, reason=error.reason) for error in errors],
        runs=figures,
    )
