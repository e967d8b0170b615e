"""Retries: whether a failed attempt is followed by another one, after what wait, and what is kept of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.registry import RetryPolicy
from shared.repositories.executions.record import ExecutionRecord, new_write_token

DEFAULT_BACKOFF_SECONDS = 10.0
DEFAULT_MAX_BACKOFF_SECONDS = 3600.0
# The longest that a queue holds a message back.
LONGEST_WAIT_SECONDS = 604_800.0
# How long a queued run waits for a file of the workspace to be mended, and how often it is looked for.
LONGEST_WAIT_FOR_FILE_SECONDS = 86_400.0
_SHORTEST_LOOK_SECONDS = 5.0
_LONGEST_LOOK_SECONDS = 300.0
# Waits are spread by this part of theirs to either side, so that what failed together does not come back together.
_JITTER = 0.2


def retry_wait(policy: RetryPolicy | None, record: ExecutionRecord, end: ExecutionResult) -> float | None:
    """Seconds until the next attempt; None when there is none.

    Args:
        policy: the workflow's; None for one attempt.
        record: the attempt that has ended.
        end: how it ended.
    """
    if policy is None or record.attempt >= policy.get("max_attempts", 1):
        return None
    if end.status not in (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT):
        return None
    # The author's own word to the caller would be the same again.
    if end.is_user_error:
        return None
    backoff = policy.get("backoff_seconds", DEFAULT_BACKOFF_SECONDS) * 2.0 ** (record.attempt - 1)
    longest = min(policy.get("max_backoff_seconds", DEFAULT_MAX_BACKOFF_SECONDS), LONGEST_WAIT_SECONDS)
    spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, guards nothing  # nosec B311
    return min(backoff * spread, longest)


def wait_for_file(record: ExecutionRecord, now: datetime) -> float | None:
    """Seconds after which to look again for the workflow of an execution, which is missing while a file is broken.

    They grow with the time that it has waited. None when that is long enough.
    """
    ended = record.attempts[-1]["completedAt"] if record.attempts else None
    waited = (now - (datetime.fromisoformat(ended) if ended else record.created_at)).total_seconds()
    if waited > LONGEST_WAIT_FOR_FILE_SECONDS:
        return None
    return min(max(waited / 4, _SHORTEST_LOOK_SECONDS), _LONGEST_LOOK_SECONDS)


def next_attempt(record: ExecutionRecord, end: ExecutionResult, wait: float) -> ExecutionRecord:
    """The record as it waits for its next attempt, `wait` seconds from this one's end, with what this one came to."""
    completed_at = end.completed_at or datetime.now(UTC)
    return replace(
        record,
        status=ExecutionStatus.PENDING,
        started_at=None,
        progress=None,
        attempt=record.attempt + 1,
        attempts=(*record.attempts, _outcome(record, end, completed_at)),
        due_at=completed_at + timedelta(seconds=wait),
        is_unsent=False,
        lease_until=None,
        write_token=new_write_token(),
    )


def _outcome(record: ExecutionRecord, end: ExecutionResult, completed_at: datetime) -> dict[str, Any]:
    return {
        "attempt": record.attempt,
        "status": str(end.status),
        "errorType": end.error_type,
        "error": end.error_message,
        "details": end.error_details,
        "startedAt": record.started_at.isoformat() if record.started_at else None,
        "completedAt": completed_at.isoformat(),
        "durationMs": end.duration_ms,
        "logs": list(end.logs),
    }
