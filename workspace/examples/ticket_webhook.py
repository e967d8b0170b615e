"""A webhook: other systems call it at /api/endpoints/ticket_webhook, with a key."""

from typing import Literal

from shared.context import ExecutionContext
from shared.decorators import workflow


@workflow(
    name="ticket_webhook",
    description="Takes note of a ticket that another system has changed",
    category="Examples",
    execution_mode="sync",
    timeout_seconds=30,
    endpoint_enabled=True,
    allowed_methods=["GET", "POST"],
)
async def ticket_webhook(
    context: ExecutionContext, ticket: int, event: Literal["opened", "changed", "closed"], priority: int = 3
) -> dict[str, object]:
    context.info("A ticket was changed", ticket=ticket, event=event)
    return {"ticket": ticket, "event": event, "urgent": event == "opened" and priority == 1}
