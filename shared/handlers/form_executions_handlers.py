"""Running forms: what was filled in goes to the linked workflow; the launch workflow says what a form begins with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, RunControl, prepare, resolve
from shared.executions.idempotency import IdempotencyKey
from shared.forms.checks import submitted_values
from shared.forms.state import FormState
from shared.handlers.form_access import find_form, form_to_run
from shared.handlers.form_choices import current_choices
from shared.handlers.form_files import resolve_files
from shared.handlers.run_failures import failure_of
from shared.handlers.services import get_services
from shared.handlers.submission import Executed, replay, submit
from shared.models.executions import ExecutionStatus
from shared.models.forms import FormDataRequest, StartupResponse
from shared.parameters.validation import plan_of
from shared.registry import WORKFLOW
from shared.repositories.ids import new_execution_id
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS


async def execute_form(
    form_id: str, body: FormDataRequest, principal: Principal, idempotency_key: IdempotencyKey | None = None
) -> Executed:
    """Runs or enqueues the linked workflow of a form with what was filled in.

    With an Idempotency-Key that came before, it shows what that call came to, whatever options there are by now.

    Raises:
        NotFoundError: there is no such form for this caller, or what it links to is gone.
        ConflictError: the form is not active; or the Idempotency-Key came before with other values.
        InvalidInputError: values are wrong, for the form or for the workflow; each field is named.
        ProviderFailedError, ProviderTimeoutError: a data provider, so that a choice can't be checked.
        StorageUnavailableError: see `submit`.
    """
    form = await form_to_run(form_id, principal)
    if idempotency_key is not None:
        earlier = await replay(principal, idempotency_key)
        if earlier is not None:
            return earlier
    state = FormState(form.form_schema, body.form_data)
    values = submitted_values(state, await current_choices(state, principal))
    files = await resolve_files(form, values, principal)
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=principal.caller,
        organization=principal.organization,
        name=form.linked_workflow,
        parameters=values | files.values,
        is_platform_admin=principal.is_platform_admin,
        form_id=form.id,
        use=WORKFLOW,
    )
    if files.uploads:
        # A file stays when a workflow gets it, and not when its parameters are refused.
        await ensure_loaded()
        prepare(request)
        await files.mark_used()
    return await submit(request, principal, idempotency_key)


async def start_form(
    form_id: str, body: FormDataRequest, query: Mapping[str, Any], principal: Principal
) -> StartupResponse:
    """Runs the launch workflow of a form, now and without a record.

    It gets the form's default parameters, over them the values of the form, over both the query's parameters that the
    form allows; of all these what it takes.

    Raises:
        NotFoundError: there is no such form for this caller, or its launch workflow is gone.
        InvalidInputError: parameters are wrong; each is named.
        ProviderFailedError, ProviderTimeoutError: the run failed, or did not end in time.
    """
    form = (await find_form(form_id, principal)).form
    if form.launch_workflow_id is None:
        return StartupResponse()
    await ensure_loaded()
    metadata = resolve(form.launch_workflow_id, WORKFLOW)
    allowed = {field.name for field in form.form_schema.fields if field.allow_as_query_param}
    allowed |= set(form.allowed_query_params)
    given = {
        **form.default_launch_params,
        **body.form_data,
        **{name: value for name, value in query.items() if name in allowed},
    }
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=principal.caller,
        organization=principal.organization,
        name=metadata.name,
        parameters={name: value for name, value in given.items() if plan_of(metadata).validator.takes(name)},
        transient=True,
        is_platform_admin=principal.is_platform_admin,
        form_id=form.id,
        use=WORKFLOW,
    )
    control = RunControl(limit_seconds=HTTP_RUN_LIMIT_SECONDS)
    result = await get_services().engine.run(prepare(request, metadata), control)
    if result.status is not ExecutionStatus.SUCCESS:
        raise failure_of("workflow", metadata.name, result, principal)
    return StartupResponse(result=result.result)
