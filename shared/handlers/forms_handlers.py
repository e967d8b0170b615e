"""Forms: making, showing, changing, deleting and running them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic.alias_generators import to_camel

from shared.access.principal import Principal
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, RunControl, prepare, resolve
from shared.errors import FieldError, InvalidInputError, PreconditionFailedError
from shared.executions.idempotency import IdempotencyKey
from shared.forms.checks import submitted_values
from shared.forms.definitions import check_definition
from shared.forms.state import FormState
from shared.forms.values import secret_values
from shared.handlers.blanks import without_blanks
from shared.handlers.form_access import find_form, form_to_run, may_see
from shared.handlers.form_choices import current_choices
from shared.handlers.form_files import resolve_files
from shared.handlers.form_problems import all_with_problems, with_problems
from shared.handlers.run_failures import failure_of
from shared.handlers.services import get_services
from shared.handlers.submission import Executed, replay, submit
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.models.forms import Form, FormDataRequest, FormPatch, FormRequest, StartupResponse
from shared.parameters.validation import plan_of
from shared.registry import WORKFLOW
from shared.repositories.forms import StoredForm
from shared.repositories.ids import new_execution_id
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS

# A caller who names no version wants the change whatever is there; so often it is tried when others write, too.
_TRIES = 3
# They say nothing of the workspace: a form whose workflow is gone can still be renamed or switched off.
_UNCHECKED = frozenset({"name", "description", "is_active", "is_global", "is_public", "roles"})

T = TypeVar("T")


async def list_forms(principal: Principal) -> list[Form]:
    """The forms that the caller may see: those of their scope, then the global ones, each by name."""
    found = await get_services().forms.list(principal.scope)
    seen = [stored.form for stored in found if may_see(stored.form, principal)]
    return await all_with_problems(seen)


async def get_form(form_id: str, principal: Principal) -> StoredForm:
    """A form that the caller may see.

    Raises:
        NotFoundError: there is none for this caller.
    """
    stored = await find_form(form_id, principal)
    return replace(stored, form=with_problems(stored.form))


async def create_form(body: FormRequest, principal: Principal) -> StoredForm:
    """Stores a new form, in the administrator's scope or, with `is_global`, for all of them.

    Raises:
        InvalidInputError: what the form says can't be; each place is named.
        ConflictError: there is a form of this name.
    """
    await ensure_loaded()
    check_definition(body)
    scope = GLOBAL_SCOPE if body.is_global else principal.scope
    now = datetime.now(UTC)
    form = Form(
        **dict(body),
        id=str(uuid.uuid4()),
        org_id=None if scope == GLOBAL_SCOPE else scope,
        created_by=principal.caller.user_id,
        created_at=now,
        updated_at=now,
    )
    await get_services().audit.record(principal, "form.create", form.id, {"name": form.name}, scope=scope)
    return await get_services().forms.create(scope, form)


async def update_form(
    form_id: str, body: FormPatch, principal: Principal, versions: Collection[str] | None = None
) -> StoredForm:
    """Stores a form with what is given of it changed.

    Args:
        form_id: which form.
        body: the fields that change.
        principal: the administrator.
        versions: the versions that the caller knows; None for whatever is there.

    Raises:
        NotFoundError: there is no such form.
        InvalidInputError: what the form would say can't be; each place is named.
        PreconditionFailedError: it was changed since the caller read it.
        ConflictError: there is another form of this name.
    """
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    nothing = [
        FieldError(loc=["body", to_camel(name)], type="missing", msg="can't be null")
        for name, value in changes.items()
        if value is None and FormRequest.model_fields[name].is_required()
    ]
    if nothing:
        raise InvalidInputError(f"A form must have {', '.join(str(each['loc'][1]) for each in nothing)}", nothing)
    await ensure_loaded()

    async def change() -> StoredForm:
        stored = await find_form(form_id, principal)
        before = stored.form
        form = before.model_copy(update={**changes, "updated_at": datetime.now(UTC)})
        # In an organization, a form that is for all lies elsewhere.
        if form.is_global != before.is_global and not stored.scope == principal.scope == GLOBAL_SCOPE:
            raise InvalidInputError("isGlobal can't be changed; make a new form", [_IS_GLOBAL_STAYS])
        if not _UNCHECKED.issuperset(changes):
            check_definition(form)
        await get_services().audit.record(principal, "form.update", form.id, {"name": form.name}, scope=stored.scope)
        return await get_services().forms.replace(stored, form, versions)

    changed = await _until_written(change, versions)
    get_services().form_problems.invalidate()
    return replace(changed, form=with_problems(changed.form))


async def delete_form(form_id: str, principal: Principal, versions: Collection[str] | None = None) -> None:
    """Deletes a form; its row stays, marked, and its name is free again. Arguments and errors as in `update_form`."""

    async def delete() -> None:
        stored = await find_form(form_id, principal)
        await get_services().audit.record(
            principal, "form.delete", form_id, {"name": stored.form.name}, scope=stored.scope
        )
        await get_services().forms.delete(stored, datetime.now(UTC), versions)

    await _until_written(delete, versions)
    get_services().form_problems.invalidate()


_IS_GLOBAL_STAYS = FieldError(loc=["body", "isGlobal"], type="immutable", msg="can't be changed; make a new form")


async def _until_written(write: Callable[[], Awaitable[T]], versions: Collection[str] | None) -> T:
    for _ in range(_TRIES - 1):
        try:
            return await write()
        except PreconditionFailedError:
            if versions is not None:
                raise
    return await write()


async def execute_form_handler(
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
        secrets=secret_values(form.form_schema, values),
        files=files.given,
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
        **without_blanks({name: value for name, value in query.items() if name in allowed}, metadata),
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
