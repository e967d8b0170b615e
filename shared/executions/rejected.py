"""Messages that name no execution of ours: moved to the poison queue with the reason, and from there put aside.

The function that reads the poison queue deletes what it has read, so what it can do nothing about lies in a queue that
nothing reads, for people to look at. The text may hold somebody's data, and is in no log.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.models.executions import PRINTABLE
from shared.storage import Queue

logger = logging.getLogger(__name__)

REJECTED_QUEUE = "workflow-executions-rejected"
KEPT = timedelta(days=14)
_LONGEST_REASON = 1000
_LONGEST_BYTES = 48 * 1024


class _Rejected(BaseModel):
    model_config = ConfigDict(defer_build=True)

    reason: str = Field(max_length=_LONGEST_REASON, pattern=PRINTABLE)
    message: str
    characters: int


class RejectedMessages:
    """Moves them. Both methods raise `StorageUnavailableError` when that can't be done; the message must come again.

    Args:
        poison: the queue `workflow-executions-poison`.
        aside: the queue `workflow-executions-rejected`.
    """

    def __init__(self, poison: Queue, aside: Queue) -> None:
        self._poison = poison
        self._aside = aside

    async def reject(self, text: str, reason: str) -> None:
        """Moves a message of the queue of executions to its poison queue."""
        await self._poison.send(_with_reason(text, reason))
        logger.warning("A message that names no execution of ours was moved to the poison queue: %s", reason)

    async def put_aside(self, text: str, reason: str) -> None:
        """Moves a message of the poison queue to where it lies for two weeks; one that has a reason keeps it."""
        try:
            reason = _Rejected.model_validate_json(text).reason
        except ValidationError:
            text = _with_reason(text, reason)
        await self._aside.send(text, keep_seconds=int(KEPT.total_seconds()))
        logger.error("A message that names no execution of ours was put aside in %s: %s", REJECTED_QUEUE, reason)


def _with_reason(text: str, reason: str) -> str:
    """The text, or as much of it as fits into a message, with the reason."""
    body = {"reason": reason[:_LONGEST_REASON], "message": text, "characters": len(text)}
    while len(written := json.dumps(body)) > _LONGEST_BYTES:
        text = text[: len(text) // 2]
        body["message"] = text
    return written
