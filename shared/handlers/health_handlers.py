"""The app's health."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from shared.access.principal import Principal
from shared.discovery import ensure_loaded, get_workspace
from shared.errors import ServiceUnavailableError, StorageUnavailableError
from shared.handlers.missing_functions import load_error_models
from shared.handlers.services import get_services
from shared.models.health import FormWithProblems, Health, HealthDetails, HealthModel
from shared.registry import get_registry
from shared.runtime.watch import pool_figures

logger = logging.getLogger(__name__)

# How long the answer may wait for the forms to be read; they are looked at again a minute later at the earliest.
_FORMS_WITHIN_SECONDS = 2.0
# How long it may wait for the workspace.
_WORKSPACE_WITHIN_SECONDS = 15.0


async def get_health(principal: Principal | None) -> HealthModel:
    """Whether the app can do its work, and for administrators what it is made of and busy with.

    Forms are read for administrators only, and once a minute in a process: others may ask every second.

    Raises:
        ServiceUnavailableError: storage is out of reach, so that no run can be recorded.
    """
    is_loaded = await _is_loaded()
    errors = get_workspace().load_errors
    figures = pool_figures()
    busy: Health = "degraded" if figures["abandoned"] or figures["waiting"] else "healthy"
    checks: dict[str, Health] = {
        "storage": "healthy" if await get_services().storage.check() else "unhealthy",
        "workspace": "unhealthy" if not is_loaded else "degraded" if errors else "healthy",
        "runs": busy,
    }
    details: HealthDetails | None = None
    if principal is not None and principal.is_platform_admin:
        state, forms = await _look_at_forms(principal.scope) if checks["storage"] == "healthy" else (None, None)
        if state is not None:
            checks["forms"] = state
        details = _details(errors, figures, forms)
    status: Health = "degraded" if "degraded" in checks.values() else "healthy"
    if "unhealthy" in checks.values():
        health = HealthModel(status="unhealthy", checks=checks, details=details)
        what = "Storage is out of reach" if checks["storage"] == "unhealthy" else "The workspace is still being loaded"
        raise ServiceUnavailableError(what, retry_after=5, details=health.model_dump(mode="json"))
    return HealthModel(status=status, checks=checks, details=details)


async def _is_loaded() -> bool:
    """Whether there is something that can serve; a first load that hangs is not waited for to its end."""
    try:
        async with asyncio.timeout(_WORKSPACE_WITHIN_SECONDS):
            await ensure_loaded()
    except (ServiceUnavailableError, TimeoutError):
        return get_workspace().is_loaded
    return True


async def _look_at_forms(scope: str) -> tuple[Health | None, list[FormWithProblems] | None]:
    """How the forms of a scope are, and which of them have problems; None for what can't be said now."""
    try:
        async with asyncio.timeout(_FORMS_WITHIN_SECONDS):
            found = await get_services().form_problems.get(scope)
    except (StorageUnavailableError, TimeoutError):
        return None, None
    except Exception:
        # One that can't be read must not hide what else there is to say.
        logger.exception("The forms of %s can't be read", scope)
        return "degraded", None
    return "degraded" if found else "healthy", found


def _details(errors: list[Any], figures: dict[str, Any], forms: list[FormWithProblems] | None) -> HealthDetails:
    registry = get_registry()
    return HealthDetails(
        workflows=registry.get_workflow_count(),
        data_providers=registry.get_data_provider_count(),
        load_errors=load_error_models(errors),
        runs=figures,
        forms=forms,
    )
