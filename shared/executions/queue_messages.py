"""Messages of `workflow-executions`: how they are written and read."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationError

from shared.models.base import GLOBAL_SCOPE
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.ids import parse_execution_id

logger = logging.getLogger(__name__)

EXECUTION_QUEUE = "workflow-executions"
POISON_QUEUE = f"{EXECUTION_QUEUE}-poison"
# A queue message holds 48 KiB before base64; beyond this, parameters are only in the record.
MAX_MESSAGE_PARAMETERS = 32 * 1024


def _checked_id(text: str) -> str:
    if parse_execution_id(text) is None:
        raise ValueError("is no execution id")
    return text


class QueueMessage(BaseModel):
    """A message. It names a record; what is run stands in the record."""

    execution_id: Annotated[str, AfterValidator(_checked_id)]
    workflow_name: str | None = None
    org_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    parameters: dict[str, Any] | None = None
    form_id: str | None = None
    attempt: int = 1

    @property
    def scope(self) -> str:
        """Where the record is."""
        return self.org_id or GLOBAL_SCOPE


def read_message(text: str) -> QueueMessage | None:
    """The message in a text; None, and a line in the log, when it names no execution."""
    try:
        return QueueMessage.model_validate_json(text)
    except ValidationError as error:
        # The message's own text may hold somebody's data; what is wrong with it is enough for the log.
        reasons = [
            f"{'.'.join(map(str, e['loc'])) or 'message'}: {e['msg']}" for e in error.errors(include_input=False)[:5]
        ]
        logger.error("A message that names no execution was dropped: %s", "; ".join(reasons))  # noqa: TRY400 - as above
        return None


def message_of(record: ExecutionRecord) -> str:
    """The text of the message that has a record's current attempt run."""
    parameters = record.input_data
    fits = len(json.dumps(parameters)) <= MAX_MESSAGE_PARAMETERS
    message = QueueMessage(
        execution_id=record.execution_id,
        workflow_name=record.workflow_name,
        org_id=record.org_id,
        user_id=record.executed_by,
        user_name=record.executed_by_name,
        user_email=record.executed_by_email,
        parameters=dict(parameters or {}) if fits else None,
        form_id=record.form_id,
        attempt=record.attempt,
    )
    return message.model_dump_json()
