"""Every hour: what is no longer valid is removed."""

from __future__ import annotations

from datetime import UTC, datetime

import azure.functions as func

from shared.repositories.form_uploads import FormUploadRepository
from shared.repositories.idempotency_keys import IdempotencyKeyRepository
from shared.repositories.provider_answers import ProviderAnswerRepository
from shared.storage import get_storage

blueprint = func.Blueprint()


@blueprint.function_name("timer_cleanup")
@blueprint.timer_trigger(  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its **kwargs untyped
    arg_name="timer", schedule="0 17 * * * *"
)
async def remove_what_is_over(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the trigger's argument must be there
    now = datetime.now(UTC)
    await IdempotencyKeyRepository(get_storage()).remove_old(now)
    await ProviderAnswerRepository(get_storage()).remove_old(now.timestamp())
    await FormUploadRepository(get_storage()).remove_old(now)
