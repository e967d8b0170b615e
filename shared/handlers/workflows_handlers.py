"""Workflows: listing them and running them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, resolve
from shared.errors import BadRequestError
from shared.executions.idempotency import IdempotencyKey
from shared.forms.from_parameters import form_of
from shared.handlers.function_views import workflows_of
from shared.handlers.submission import Executed, submit
from shared.models.executions import ExecuteRequest
from shared.models.forms import FormRequest
from shared.models.workflows import WorkflowModel
from shared.registry import WORKFLOW, get_registry
from shared.repositories.ids import new_execution_id


async def list_workflows() -> list[WorkflowModel]:
    """All workflows, by name."""
    await ensure_loaded()
    return workflows_of(get_registry())


async def make_form(workflow_name: str) -> FormRequest:
    """A form made from a workflow's parameters, which is not stored.

    Raises:
        FunctionNotFoundError: there is no such workflow.
        ConflictError: no form can ask for all that it requires.
    """
    await ensure_loaded()
    return form_of(resolve(workflow_name, WORKFLOW))


async def execute_workflow_handler(
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


def _new_id(*, transient: bool) -> str:
    # A transient run has no record, so its id says nothing about order and can be looked up nowhere.
    return str(uuid.uuid4()) if transient else new_execution_id(datetime.now(UTC))
