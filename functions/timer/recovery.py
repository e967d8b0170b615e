"""Every half minute: executions that a crash has left behind are found, and run, tried again or ended."""

from __future__ import annotations

import azure.functions as func

from shared.handlers.services import get_services

blueprint = func.Blueprint()


@blueprint.function_name("timer_recovery")
@blueprint.timer_trigger(  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its **kwargs untyped
    arg_name="timer", schedule="*/30 * * * * *", use_monitor=False
)
async def recover_executions(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the trigger's argument must be there
    await get_services().recovery.recover()
