"""Workflows: listing them and running them."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.access.principal import Principal
from shared.context import EndpointResponse
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest
from shared.errors import BadRequestError, ForbiddenError
from shared.executions.executor import Submission, get_executor
from shared.executions.idempotency import IdempotencyKey, get_idempotent_executor
from shared.handlers.audit_handlers import note
from shared.handlers.execution_views import links_of, response_of
from shared.models.executions import ExecuteRequest, ExecutionAccepted, ExecutionResponse
from shared.models.workflows import ParameterModel, WorkflowModel
from shared.registry import WORKFLOW, FunctionMetadata, WorkflowParameter, get_registry
from shared.repositories.ids import new_execution_id
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


async def list_workflows() -> list[WorkflowModel]:
    """All workflows, by name."""
    await ensure_loaded()
    return [_workflow_model(metadata) for metadata in get_registry().get_all_workflows()]


async def execute_workflow(
    body: ExecuteRequest,
    principal: Principal,
    workflow_name: str | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Executed:
    """Runs a workflow, or code that came with the request, or enqueues the run.

    Args:
        body: what to run, and with what.
        principal: who asks.
        workflow_name: the name in the path; wins over the one in the body.
        idempotency_key: of the call; None when it has none.

    Raises:
        BadRequestError: there is neither a name nor code, or two names contradict each other.
        ForbiddenError: code came with the request, and this app takes none.
        ConflictError, FunctionNotFoundError, InvalidInputError, StorageUnavailableError: see `submit`.
    """
    if workflow_name is not None and body.workflow_name not in (None, workflow_name):
        raise BadRequestError(f"The path names the workflow {workflow_name!r}, the body {body.workflow_name!r}")
    name = workflow_name or body.workflow_name
    if body.code is None and name is None:
        raise BadRequestError("Say what to run: workflowName, or code (base64 of UTF-8 Python)")
    request = ExecutionRequest(
        execution_id=_new_id(transient=body.transient),
        caller=principal.caller,
        organization=principal.organization,
        code=body.code,
        name=body.script_name if body.code is not None else name,
        parameters=body.input_data or {},
        transient=body.transient,
        is_platform_admin=principal.is_platform_admin,
        form_id=body.form_id,
        use=None if body.code is not None else WORKFLOW,
    )
    return await submit(request, principal, idempotency_key)


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


def _new_id(*, transient: bool) -> str:
    # A transient run has no record, so its id says nothing about order and can be looked up nowhere.
    return str(uuid.uuid4()) if transient else new_execution_id(datetime.now(UTC))


def _workflow_model(metadata: FunctionMetadata) -> WorkflowModel:
    return WorkflowModel(
        name=metadata.name,
        description=metadata.description,
        category=metadata.category,
        tags=metadata.tags,
        parameters=[parameter_model(parameter) for parameter in metadata.parameters],
        execution_mode=metadata.execution_mode,
        timeout_seconds=metadata.timeout_seconds,
        retry_policy=dict(metadata.retry_policy) if metadata.retry_policy else None,
        schedule=metadata.schedule,
        endpoint_enabled=metadata.endpoint_enabled,
        allowed_methods=metadata.allowed_methods,
        disable_global_key=metadata.disable_global_key,
        public_endpoint=metadata.public_endpoint,
        source=metadata.source,
    )


def parameter_model(parameter: WorkflowParameter) -> ParameterModel:
    """A parameter as the API shows it."""
    return ParameterModel(
        name=parameter.name,
        type=parameter.type,
        required=parameter.required,
        label=parameter.label or parameter.name,
        data_provider=parameter.data_provider,
        default_value=parameter.default_value,
        help_text=parameter.help_text,
        validation=parameter.validation,
    )
