"""/api/forms"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import azure.functions as func

from functions.http.adapter import Call, Reply, route
from functions.http.executed import EXECUTED_ANSWERS, executed_reply
from functions.http.routes import IDEMPOTENCY_KEY, IF_MATCH, Answer, Nothing
from shared.access.principal import Access
from shared.errors import ConflictError, ProviderFailedError, ProviderTimeoutError
from shared.handlers import (
    form_options_handlers,
    form_uploads_handlers,
    forms_handlers,
)
from shared.models.data_providers import ProviderOptions
from shared.models.forms import (
    Form,
    FormDataRequest,
    FormOptions,
    FormOptionsRequest,
    FormPatch,
    FormProviderRequest,
    FormWrite,
    StartupQuery,
    StartupResponse,
    UploadUrlRequest,
    UploadUrlResponse,
)
from shared.repositories.forms import StoredForm

blueprint = func.Blueprint()

_ETAG = re.compile(r'"([^"]*)"')
_FORM = Answer(Form, {"ETag": "The form's version, for If-Match"})
_PROVIDER_ERRORS = (ProviderFailedError, ProviderTimeoutError)


@route(
    blueprint,
    "GET",
    "forms",
    name="forms_list",
    access=Access.USER,
    summary="The forms that the caller may see",
    answers={200: list[Form]},
)
async def list_forms(call: Call[Nothing, Nothing]) -> list[Form]:
    return await forms_handlers.list_forms(call.principal)


@route(
    blueprint,
    "POST",
    "forms",
    name="forms_create",
    access=Access.ADMIN,
    summary="Makes a form",
    body=FormWrite,
    answers={201: _FORM},
    errors=(ConflictError,),
)
async def create_form(call: Call[FormWrite, Nothing]) -> Reply:
    stored = await forms_handlers.create_form(call.body, call.principal)
    return _form_reply(stored, 201, {"Location": f"/api/forms/{stored.form.id}"})


@route(
    blueprint,
    "GET",
    "forms/{formId}",
    name="forms_get",
    access=Access.USER,
    summary="A form; its ETag is for If-Match",
    answers={200: _FORM},
)
async def get_form(call: Call[Nothing, Nothing]) -> Reply:
    return _form_reply(await forms_handlers.get_form(call.path["formId"], call.principal))


@route(
    blueprint,
    "PUT",
    "forms/{formId}",
    name="forms_update",
    access=Access.ADMIN,
    summary="Changes the given fields of a form, as PATCH does",
    body=FormPatch,
    headers=(IF_MATCH,),
    answers={200: _FORM},
    errors=(ConflictError,),
)
@route(
    blueprint,
    "PATCH",
    "forms/{formId}",
    name="forms_patch",
    access=Access.ADMIN,
    summary="Changes the given fields of a form; with If-Match only when nobody else has changed it",
    body=FormPatch,
    headers=(IF_MATCH,),
    answers={200: _FORM},
    errors=(ConflictError,),
)
async def update_form(call: Call[FormPatch, Nothing]) -> Reply:
    stored = await forms_handlers.update_form(call.path["formId"], call.body, call.principal, _versions(call))
    return _form_reply(stored)


@route(
    blueprint,
    "DELETE",
    "forms/{formId}",
    name="forms_delete",
    access=Access.ADMIN,
    summary="Deletes a form; with If-Match only when nobody else has changed it",
    headers=(IF_MATCH,),
    answers={204: None},
)
async def delete_form(call: Call[Nothing, Nothing]) -> Reply:
    await forms_handlers.delete_form(call.path["formId"], call.principal, _versions(call))
    return Reply(None, 204)


@route(
    blueprint,
    "POST",
    "forms/{formId}/execute",
    name="forms_execute",
    access=Access.USER,
    summary="Runs the linked workflow with what was filled in",
    body=FormDataRequest,
    headers=(IDEMPOTENCY_KEY,),
    answers=EXECUTED_ANSWERS,
    errors=(*_PROVIDER_ERRORS, ConflictError),
)
async def execute_form(call: Call[FormDataRequest, Nothing]) -> Reply:
    executed = await forms_handlers.execute_form_handler(
        call.path["formId"], call.body, call.principal, call.idempotency_key
    )
    return executed_reply(executed)


@route(
    blueprint,
    "GET",
    "forms/{formId}/startup",
    name="forms_get_startup",
    access=Access.USER,
    summary="Runs the launch workflow; allowed parameters stand in the query",
    query=StartupQuery,
    answers={200: StartupResponse},
    errors=_PROVIDER_ERRORS,
    runs_code=True,
)
async def get_startup(call: Call[Nothing, StartupQuery]) -> StartupResponse:
    nothing = FormDataRequest()
    return await forms_handlers.start_form(call.path["formId"], nothing, call.query.values, call.principal)


@route(
    blueprint,
    "POST",
    "forms/{formId}/startup",
    name="forms_post_startup",
    access=Access.USER,
    summary="Runs the launch workflow with values of the form",
    body=FormDataRequest,
    query=StartupQuery,
    answers={200: StartupResponse},
    errors=_PROVIDER_ERRORS,
)
async def post_startup(call: Call[FormDataRequest, StartupQuery]) -> StartupResponse:
    return await forms_handlers.start_form(call.path["formId"], call.body, call.query.values, call.principal)


@route(
    blueprint,
    "POST",
    "forms/{formId}/files/upload-url",
    name="forms_upload_url",
    access=Access.USER,
    summary="A URL to PUT a file to, for a field of the form",
    body=UploadUrlRequest,
    answers={200: UploadUrlResponse},
    errors=(ConflictError,),
)
async def make_upload_url(call: Call[UploadUrlRequest, Nothing]) -> UploadUrlResponse:
    return await form_uploads_handlers.make_upload_url(call.path["formId"], call.body, call.principal)


@route(
    blueprint,
    "POST",
    "forms/{formId}/data-providers/{providerName}",
    name="forms_provider_options",
    access=Access.USER,
    summary="Options of a data provider, as the form binds it",
    body=FormProviderRequest,
    answers={200: ProviderOptions},
    errors=_PROVIDER_ERRORS,
)
async def get_provider_options(call: Call[FormProviderRequest, Nothing]) -> ProviderOptions:
    return await form_options_handlers.get_provider_options(
        call.path["formId"], call.path["providerName"], call.body, call.principal
    )


@route(
    blueprint,
    "POST",
    "forms/{formId}/options",
    name="forms_options",
    access=Access.USER,
    summary="Options and state of every field that depends on what was changed, in one call",
    body=FormOptionsRequest,
    answers={200: FormOptions},
)
async def get_all_options(call: Call[FormOptionsRequest, Nothing]) -> FormOptions:
    return await form_options_handlers.get_form_options(call.path["formId"], call.body, call.principal)


def _form_reply(stored: StoredForm, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(stored.form, status, {**(headers or {}), "ETag": f'"{stored.version}"'})


def _versions(call: Call[Any, Any]) -> Collection[str] | None:
    """The versions that If-Match names (RFC 9110, section 13.1.1); None for any. Weak ones never match."""
    text = (call.header(IF_MATCH) or "*").strip()
    if text == "*":
        return None
    tags = [tag.strip() for tag in text.split(",")]
    return {found[1] for tag in tags if (found := _ETAG.fullmatch(tag)) is not None}
