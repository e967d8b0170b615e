"""The line that the app's log gets for each execution that has ended, whoever ended it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.repositories.executions.record import ExecutionRecord

logger = logging.getLogger(__name__)

# Somebody asked for the end of a cancelled run, so that nobody need be told.
_WELL = (ExecutionStatus.SUCCESS, ExecutionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Confidential:
    """A text that only who asks for it by name gets: what exports or formats a record's fields shows nothing of it."""

    text: str = field(repr=False)


def log_end(record: ExecutionRecord) -> None:
    """Logs the end of an execution: a warning when it did not go well, else for information.

    `extra` has execution_id, workflow, scope, attempt, status, duration_ms and error_type; the text has the same, since
    Azure's host takes nothing else over. The run's own words about its failure may hold somebody's data: they are only
    for the console of a local host, as `error_text`.

    Args:
        record: with its end.
    """
    end = record.end
    assert end is not None
    logger.log(
        logging.INFO if end.status in _WELL else logging.WARNING,
        # The name last, since that of a script may have spaces in it.
        "Execution ended: status=%s error_type=%s duration_ms=%s attempt=%d scope=%s execution_id=%s workflow=%s",
        end.status,
        end.error_type or "",
        "" if end.duration_ms is None else end.duration_ms,
        record.attempt,
        record.scope,
        record.execution_id,
        record.workflow_name,
        extra={
            **record.log_extra,
            "status": str(end.status),
            "duration_ms": end.duration_ms,
            "error_type": end.error_type,
            "error_text": Confidential(end.error_message or ""),
        },
    )


def log_retry(record: ExecutionRecord, end: ExecutionResult, wait: float) -> None:
    """Logs that an attempt failed and another one follows; the execution has not ended by that.

    Args:
        record: of the attempt that failed.
        end: what it came to.
        wait: seconds until the next.
    """
    logger.info(
        "Execution is tried again in %.0f s: status=%s error_type=%s attempt=%d scope=%s execution_id=%s workflow=%s",
        wait,
        end.status,
        end.error_type or "",
        record.attempt,
        record.scope,
        record.execution_id,
        record.workflow_name,
        extra={**record.log_extra, "error_type": end.error_type},
    )
