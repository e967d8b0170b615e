"""The queue `workflow-executions`: each message names an execution to run."""

from __future__ import annotations

import azure.functions as func

from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.services import get_services

blueprint = func.Blueprint()


@blueprint.function_name("queue_worker")
@blueprint.queue_trigger(  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its **kwargs untyped
    arg_name="message", queue_name=EXECUTION_QUEUE, connection="AzureWebJobsStorage"
)
async def workflow_execution_worker(message: func.QueueMessage) -> None:
    # Bytes that are no UTF-8 name no execution either; the executor moves what it can't read to the poison queue.
    await get_services().executor.run_queued(message.get_body().decode("utf-8", "replace"))
