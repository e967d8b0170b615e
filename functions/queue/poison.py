"""The queue `workflow-executions-poison`: messages that failed too often, whose executions must not wait for ever, and
messages that name no execution.
"""

from __future__ import annotations

import azure.functions as func

from shared.executions.queueing import POISON_QUEUE
from shared.handlers.services import get_services

blueprint = func.Blueprint()


@blueprint.function_name("queue_poison")
@blueprint.queue_trigger(  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its **kwargs untyped
    arg_name="message", queue_name=POISON_QUEUE, connection="AzureWebJobsStorage"
)
async def end_poisoned_execution(message: func.QueueMessage) -> None:
    await get_services().executor.end_poisoned(message.get_body().decode("utf-8", "replace"))
