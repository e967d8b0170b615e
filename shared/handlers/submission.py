"""Submitting what a caller wants run, and showing them what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shared.access.principal import Principal
from shared.context import EndpointResponse
from shared.errors import ForbiddenError, WorkflowFailedError
from shared.execution_request import ExecutionRequest
from shared.executions.executor import Submission
from shared.executions.idempotency import IdempotencyKey
from shared.handlers.execution_views import links_of, response_of
from shared.handlers.services import get_services
from shared.models.executions import ExecutionAccepted, ExecutionResponse
from shared.settings.environment import get_settings


@dataclass(frozen=True, slots=True)
class Executed:
    """The answer to a call that ran or enqueued something.

    Attributes:
        answer: what the caller may see of it.
        recorded, replayed: as in `Submission`.
        response, user_status: as `response` and `error_status_code` in `ExecutionResult`.
        failure: the error that the answer is instead, at an endpoint.
    """

    answer: ExecutionResponse | ExecutionAccepted
    recorded: bool
    replayed: bool
    response: EndpointResponse | None = None
    user_status: int | None = None
    failure: WorkflowFailedError | None = None


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
    services = get_services()
    if request.code is not None:
        if not get_settings().inline_code:
            raise ForbiddenError("Inline code is switched off for this app (setting INLINE_CODE)")
        digest = hashlib.sha256(request.code.encode("utf-8", "surrogatepass")).hexdigest()
        details = {"name": request.name, "sha256": digest}
        await services.audit.record(principal, "code.run", request.execution_id, details)
    if idempotency_key is None or request.transient:
        submission = await services.executor.submit(request)
    else:
        submission = await services.idempotent_executor.submit_once(request, idempotency_key)
    return _executed(submission, principal, is_transient=request.transient)


async def replay(principal: Principal, idempotency_key: IdempotencyKey) -> Executed | None:
    """What the call that had this key before came to; None when there was none.

    Raises:
        ConflictError: the key came before with another body.
    """
    executor = get_services().idempotent_executor
    submission = await executor.replay(principal.scope, principal.caller.user_id, idempotency_key)
    return None if submission is None else _executed(submission, principal, is_transient=False)


def _executed(submission: Submission, principal: Principal, *, is_transient: bool) -> Executed:
    record = submission.record
    if submission.is_pending:
        accepted = ExecutionAccepted(
            execution_id=record.execution_id,
            status=record.status,
            message=f"{record.workflow_name} {'was enqueued' if record.is_queued else 'still runs'}",
            links=links_of(record, principal),
        )
        return Executed(accepted, submission.recorded, submission.replayed)
    response = response_of(record, principal, is_transient=is_transient)
    end = record.end
    own, user_status = (end.response, end.error_status_code) if end is not None else (None, None)
    return Executed(response, submission.recorded, submission.replayed, own, user_status)
