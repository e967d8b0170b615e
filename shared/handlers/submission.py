"""What is submitted to be run, and what the caller sees of it; the same for every way in that leaves a record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shared.access.principal import Principal
from shared.context import EndpointResponse
from shared.engine import ExecutionRequest
from shared.errors import ForbiddenError
from shared.executions.executor import Submission, get_executor
from shared.executions.idempotency import IdempotencyKey, get_idempotent_executor
from shared.handlers.audit_handlers import note
from shared.handlers.execution_views import links_of, response_of
from shared.models.executions import ExecutionAccepted, ExecutionResponse
from shared.settings.environment import get_settings


@dataclass(frozen=True, slots=True)
class Executed:
    """The answer to a call that ran or enqueued something; `recorded` and `replayed` as in `Submission`, `response` as
    in `ExecutionResult`.
    """

    answer: ExecutionResponse | ExecutionAccepted
    recorded: bool
    replayed: bool
    response: EndpointResponse | None = None


async def submit(
    request: ExecutionRequest, principal: Principal, idempotency_key: IdempotencyKey | None = None
) -> Executed:
    """Runs or enqueues a request, and shows the caller what they may see of it.

    With an Idempotency-Key that came before, it shows what that call came to. Transient runs, which leave nothing to
    look for, take no notice of one.

    Raises:
        ConflictError: the key came before with another body.
        ForbiddenError: it is inline code, and this app takes none.
        FunctionNotFoundError, InvalidInputError, StorageUnavailableError: see `Executor.submit`.
    """
    if request.code is not None and not get_settings().inline_code:
        raise ForbiddenError("Inline code is switched off for this app (setting INLINE_CODE)")
    if request.code is not None:
        digest = hashlib.sha256(request.code.encode("utf-8", "surrogatepass")).hexdigest()
        await note(principal, "code.run", request.execution_id, {"name": request.name, "sha256": digest})
    if idempotency_key is None or request.transient:
        submission = await get_executor().submit(request)
    else:
        submission = await get_idempotent_executor().submit(request, idempotency_key)
    return _executed(submission, principal, is_transient=request.transient)


async def replay(principal: Principal, idempotency_key: IdempotencyKey) -> Executed | None:
    """What the call that had this key before came to; None when there was none.

    Raises:
        ConflictError: the key came before with another body.
    """
    submission = await get_idempotent_executor().replay(principal.scope, principal.caller.user_id, idempotency_key)
    return None if submission is None else _executed(submission, principal, is_transient=False)


def _executed(submission: Submission, principal: Principal, *, is_transient: bool) -> Executed:
    record = submission.record
    if submission.goes_on:
        accepted = ExecutionAccepted(
            execution_id=record.execution_id,
            status=record.status,
            message=f"{record.workflow_name} {'was enqueued' if record.is_queued else 'still runs'}",
            links=links_of(record, principal),
        )
        return Executed(accepted, submission.recorded, submission.replayed)
    response = response_of(record, principal, is_transient=is_transient)
    own = submission.result.response if submission.result is not None else None
    return Executed(response, submission.recorded, submission.replayed, own)
