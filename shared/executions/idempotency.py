"""Idempotency-Key: a call that is made again gives what the first one came to, and runs nothing.

The id of a webhook's delivery is such a key, too, of whoever sends it; a delivery whose run failed is run anew.

The first call claims its key by inserting a row that names its execution. Whoever comes later finds the row, and the
execution by it. A row whose execution is missing is left by a call that is just about to record it, or that died before
it could; whoever waits then records the execution with the id in the row, so that even then there is only one.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self

from shared.discovery import ensure_loaded
from shared.engine import PreparedExecution, prepare
from shared.errors import BadRequestError, ConflictError
from shared.execution_request import ExecutionRequest
from shared.executions.executor import Executor, Submission, never_started
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.store import ExecutionChangedError, ExecutionStore
from shared.repositories.idempotency_keys import (
    DELIVERIES_VALID_FOR,
    VALID_FOR,
    Claim,
    IdempotencyKeyRepository,
)
from shared.repositories.ids import new_execution_id
from shared.serialization import to_json

logger = logging.getLogger(__name__)

LONGEST_KEY = 255
# How long a call waits for the end of the sync run that an earlier one began.
WAIT_FOR_END_SECONDS = 30.0
# How long a claimed key's execution may be missing before it is taken for left behind.
WAIT_FOR_RECORD_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The key of a call, and what the call must have in common with the first one.

    Attributes:
        text: the header's value.
        route: method and path.
        digest: of body and query.
        is_delivery: whether it is the id of a delivery, the same for all callers of its scope.
    """

    text: str
    route: str
    digest: str
    is_delivery: bool = False

    @classmethod
    def of(cls, text: str, route: str, content: Any) -> Self:
        """The key of a call with this content; whatever has the same JSON is the same.

        Raises:
            BadRequestError: the text is no key.
        """
        _check_text(text, "Idempotency-Key")
        canonical = json.dumps(to_json(content), sort_keys=True, separators=(",", ":"))
        return cls(text, route, hashlib.sha256(canonical.encode()).hexdigest())

    @classmethod
    def of_delivery(cls, text: str, header: str, workflow_name: str, body: bytes) -> Self:
        """The id of a delivery to a workflow's endpoint.

        Raises:
            BadRequestError: the text is no id.
        """
        _check_text(text, header)
        return cls(text, f"deliveries/{workflow_name}", hashlib.sha256(body).hexdigest(), is_delivery=True)


def _check_text(text: str, header: str) -> None:
    if not (1 <= len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()):
        raise BadRequestError(f"{header} must be 1 to {LONGEST_KEY} printable ASCII characters")


class IdempotentExecutor:
    """Submits requests that have an Idempotency-Key.

    Args:
        executor: runs and enqueues.
        store: where executions are recorded.
        keys: where keys are claimed.
    """

    def __init__(self, executor: Executor, store: ExecutionStore, keys: IdempotencyKeyRepository) -> None:
        self._executor = executor
        self._store = store
        self._keys = keys

    async def submit_once(self, request: ExecutionRequest, key: IdempotencyKey) -> Submission:
        """As `Executor.submit`, once for each key of a caller, route and scope within 24 hours.

        Of a delivery once within 7 days, unless its run failed, or answered its sender with an error.

        Raises:
            ConflictError: the key came before with another body, and is no delivery's.
            ValueError, FunctionNotFoundError, InvalidInputError, StorageUnavailableError: as `Executor.submit`; nothing
                was begun then, and the same call may be made again.
        """
        await ensure_loaded()
        prepared = prepare(request)
        scope = request.scope
        owner = _owner(scope, request.caller.user_id, key)
        superseded: str | None = None
        while True:
            claim = await self._keys.claim(
                owner,
                prepared.request.execution_id,
                key.digest,
                datetime.now(UTC),
                valid_for=DELIVERIES_VALID_FOR if key.is_delivery else VALID_FOR,
                instead_of=superseded,
            )
            _check_digest(claim, key)
            if claim.execution_id != prepared.request.execution_id:
                record = await self._find(scope, claim.execution_id)
                if record is not None:
                    # Who comes while it is under way is told what it comes to, whatever that is.
                    is_failed_delivery = key.is_delivery and _has_failed(record)
                    record = await self._ended(record)
                    if is_failed_delivery:
                        prepared = replace(prepared, request=replace(prepared.request, rerun_of=record.execution_id))
                    elif not never_started(record):
                        return _replayed(record)
                    superseded = record.execution_id
                    continue
                logger.warning(
                    "A call died before it recorded execution %s; it is begun now",
                    claim.execution_id,
                    extra={"execution_id": claim.execution_id, "scope": scope},
                )
                prepared = _with_id(prepared, claim.execution_id)
            try:
                return await self._executor.start(prepared, is_repeatable=True)
            except ExecutionChangedError:
                # Somebody with the same key took this call for dead, and was faster.
                prepared = _with_id(prepared, new_execution_id(datetime.now(UTC)))

    async def replay(self, scope: str, user_id: str, key: IdempotencyKey) -> Submission | None:
        """What the first call with this key came to; None when nothing was begun with it, or is not recorded yet.

        For doors that check more than `submit` does: what has changed since must not refuse a call that is made again.

        Raises:
            ConflictError: the key came before with another body.
        """
        claim = await self._keys.find(_owner(scope, user_id, key), datetime.now(UTC))
        if claim is None:
            return None
        _check_digest(claim, key)
        record = await self._store.get(scope, claim.execution_id)
        if record is None or never_started(record := await self._ended(record)):
            return None
        return _replayed(record)

    async def _find(self, scope: str, execution_id: str) -> ExecutionRecord | None:
        deadline = time.monotonic() + WAIT_FOR_RECORD_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while True:
            record = await self._store.get(scope, execution_id)
            if record is not None or time.monotonic() > deadline:
                return record
            await asyncio.sleep(pause)
            pause *= 2

    async def _ended(self, record: ExecutionRecord) -> ExecutionRecord:
        """A sync run when it has ended, or has not for a while; others as they are."""
        deadline = time.monotonic() + WAIT_FOR_END_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while not record.is_queued and not record.status.is_end and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            fresh = await self._store.get(record.scope, record.execution_id)
            assert fresh is not None
            record = fresh
        return record


def _replayed(record: ExecutionRecord) -> Submission:
    return Submission(record, replayed=True, is_pending=record.is_queued or not record.status.is_end)


def _with_id(prepared: PreparedExecution, execution_id: str) -> PreparedExecution:
    return replace(prepared, request=replace(prepared.request, execution_id=execution_id))


def _has_failed(record: ExecutionRecord) -> bool:
    """Whether a delivery's sender was told of an error, or a run from the queue came to one."""
    if record.end is None:
        return False
    if record.end.status not in (ExecutionStatus.SUCCESS, ExecutionStatus.COMPLETED_WITH_ERRORS):
        return True
    response = record.end.response if not record.is_queued else None
    return response is not None and response.status_code >= HTTPStatus.BAD_REQUEST


def _owner(scope: str, user_id: str, key: IdempotencyKey) -> tuple[str, str, str, str]:
    return scope, "" if key.is_delivery else user_id, key.route, key.text


def _check_digest(claim: Claim, key: IdempotencyKey) -> None:
    if claim.digest == key.digest:
        return
    if not key.is_delivery:
        raise ConflictError("This Idempotency-Key was used before, with another body")
    # Its sender says that it is the same one; a header that is no delivery's own shows here.
    logger.warning("A delivery came again with another body: %s, id %s", key.route, key.text)
