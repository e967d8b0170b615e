"""Every hour: what has expired is removed."""

from __future__ import annotations

from datetime import UTC, datetime

import azure.functions as func

from shared.handlers.services import get_services

blueprint = func.Blueprint()


@blueprint.function_name("timer_cleanup")
@blueprint.timer_trigger(  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its **kwargs untyped
    arg_name="timer", schedule="0 17 * * * *"
)
async def remove_expired(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the trigger's argument must be there
    now = datetime.now(UTC)
    services = get_services()
    await services.idempotency_keys.remove_old(now)
    await services.provider_answers.remove_old(now.timestamp())
    await services.form_uploads.remove_old(now)
    await services.workflow_keys.remove_old(now)
