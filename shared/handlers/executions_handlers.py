"""Executions: listing them and reading them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.access.principal import Principal
from shared.engine import ExecutionRequest
from shared.errors import NotFoundError, UnauthorizedError
from shared.executions.idempotency import IdempotencyKey
from shared.handlers.execution_views import detail_of, links_of
from shared.handlers.services import get_services
from shared.handlers.submission import Executed, submit
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import (
    ExecutionAccepted,
    ExecutionDetail,
    ExecutionList,
    ExecutionListQuery,
    ExecutionLogsQuery,
    ExecutionLogsView,
    ExecutionResultView,
    ExecutionStatus,
    ExecutionVariablesView,
)
from shared.registry import WORKFLOW
from shared.repositories.executions.record import ExecutionFilters, ExecutionRecord
from shared.repositories.ids import new_execution_id, parse_execution_id

_LOOK_AGAIN_SECONDS = 1.0


async def list_executions(query: ExecutionListQuery, principal: Principal) -> ExecutionList:
    """A page of the scope's executions, newest first; of the caller's own ones for callers who are no administrators.

    Raises:
        BadRequestError: the continuation token is none of this list's.
    """
    filters = ExecutionFilters(
        workflow_name=query.workflow_name,
        statuses=query.status,
        executed_by=None if principal.is_platform_admin else principal.caller.user_id,
        created_from=query.start_date,
        created_to=query.end_date,
    )
    executions, token = await get_services().executions.list(
        principal.scope, filters, limit=query.limit, token=query.continuation_token
    )
    return ExecutionList(executions=executions, continuation_token=token)


async def get_execution(execution_id: str, principal: Principal) -> ExecutionDetail:
    """An execution of the caller's own, or of the scope for administrators.

    Raises:
        NotFoundError: there is none that the caller may see.
    """
    record = await _find(execution_id, principal)
    if record.input_data:
        # Of all that is shown the input alone is stored as it came, since a run needs it so.
        mask = (await get_services().configuration.of_run(record.scope)).mask
        if not mask.empty:
            record = replace(record, input_data=await asyncio.to_thread(mask.json, dict(record.input_data)))
    return detail_of(record, principal)


async def get_result(
    execution_id: str, principal: Principal | None, result_token: str | None = None
) -> ExecutionResultView:
    """The result alone.

    Args:
        execution_id: whose result.
        principal: who asks, None for nobody known.
        result_token: what a public call's 202 carried.

    Raises:
        UnauthorizedError: nobody is signed in, and there is no token.
        NotFoundError: there is no such execution that the caller may see, or that the token opens.
    """
    if result_token is not None:
        record = await _find_by_token(execution_id, result_token)
    elif principal is not None:
        record = await _find(execution_id, principal)
    else:
        raise UnauthorizedError("Sign in to use this")
    end = record.end
    return ExecutionResultView(
        execution_id=record.execution_id,
        status=record.status,
        result=end.result if end is not None else None,
        result_type=end.result_type if end is not None else None,
    )


async def get_logs(execution_id: str, query: ExecutionLogsQuery, principal: Principal) -> ExecutionLogsView:
    """The log's lines after a cursor; with `wait`, as soon as there are any or the execution has ended.

    The numbers of an attempt's lines go on from those of the attempt before, so a cursor leads through all of them.

    Raises:
        NotFoundError: there is no such execution that the caller may see.
    """
    deadline = time.monotonic() + query.wait
    while True:
        record = await _find(execution_id, principal)
        lines = await _lines_after(record, query.after)
        left = deadline - time.monotonic()
        if lines or record.status.is_end or left <= 0:
            break
        await asyncio.sleep(min(_LOOK_AGAIN_SECONDS, left))
    cursor = lines[-1]["seq"] if lines else query.after
    return ExecutionLogsView(execution_id=record.execution_id, status=record.status, logs=lines, cursor=cursor)


async def _lines_after(record: ExecutionRecord, after: int) -> list[dict[str, Any]]:
    entries = [entry for attempt in record.attempts for entry in attempt["logs"]]
    if record.end is not None:
        entries += record.end.logs
    lines = [dict(entry) for entry in entries if entry["seq"] > after]
    if record.status in (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING):
        lines += await get_services().executions.lines_so_far(record, after)
    return lines


async def get_variables(execution_id: str, principal: Principal) -> ExecutionVariablesView:
    """A script's variables at its end.

    Raises:
        NotFoundError: there is no such execution that the caller may see.
    """
    record = await _find(execution_id, principal)
    return ExecutionVariablesView(
        execution_id=record.execution_id,
        variables=dict((record.end.variables if record.end is not None else None) or {}),
    )


async def cancel_execution(execution_id: str, principal: Principal) -> ExecutionAccepted:
    """Asks for the end of an execution of the caller's own, or of the scope for administrators.

    Raises:
        NotFoundError: there is no such execution that the caller may see.
        ConflictError: it has ended already.
    """
    record = await get_services().executor.cancel(await _find(execution_id, principal))
    ended = record.status.is_end
    message = f"{record.workflow_name} was cancelled" if ended else f"{record.workflow_name} was asked to end"
    return ExecutionAccepted(
        execution_id=record.execution_id, status=record.status, message=message, links=links_of(record, principal)
    )


async def rerun_execution(
    execution_id: str, principal: Principal, idempotency_key: IdempotencyKey | None = None
) -> Executed:
    """Runs what an execution ran, with the same input, as a new execution of the caller's.

    Raises:
        NotFoundError: there is no such execution that the caller may see.
        ConflictError, ForbiddenError, FunctionNotFoundError, InvalidInputError, StorageUnavailableError: see `submit`.
    """
    record = await _find(execution_id, principal)
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=principal.caller,
        organization=principal.organization,
        code=record.code,
        name=record.workflow_name,
        parameters=record.run_input,
        is_platform_admin=principal.is_platform_admin,
        form_id=record.form_id,
        rerun_of=record.execution_id,
        secrets=record.secrets,
        files=record.files or {},
        use=None if record.is_script else WORKFLOW,
    )
    return await submit(request, principal, idempotency_key)


async def _find_by_token(execution_id: str, result_token: str) -> ExecutionRecord:
    parsed = parse_execution_id(execution_id)
    record = await get_services().executions.get(GLOBAL_SCOPE, parsed) if parsed is not None else None
    digest = record.result_token_digest if record is not None else None
    given = hashlib.sha256(result_token.encode("utf-8", "surrogatepass")).hexdigest()
    if record is None or digest is None or not hmac.compare_digest(digest, given):
        raise NotFoundError("There is no execution of this id")
    return record


async def _find(execution_id: str, principal: Principal) -> ExecutionRecord:
    parsed = parse_execution_id(execution_id)
    record = await get_services().executions.get(principal.scope, parsed) if parsed is not None else None
    own = record is not None and record.executed_by == principal.caller.user_id
    if record is None or not (own or principal.is_platform_admin):
        raise NotFoundError("There is no execution of this id")
    return record
