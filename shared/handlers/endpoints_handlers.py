"""Endpoints: workflows that other systems call over HTTP, with a key, signed in, or as anybody."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime

from shared.access.principal import PUBLIC, Principal
from shared.context import HttpRequestInfo
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest
from shared.errors import ForbiddenError, FunctionNotFoundError, MethodNotAllowedError, UnauthorizedError
from shared.executions.idempotency import IdempotencyKey
from shared.handlers.delivery_checks import check_delivery, check_own_refusals, count_own_refusal
from shared.handlers.encoded_fields import FieldValues
from shared.handlers.endpoint_answers import failure_of_run
from shared.handlers.endpoint_requests import parameters_of, without_secrets, without_token
from shared.handlers.services import get_services
from shared.handlers.submission import Executed, submit
from shared.models.executions import ExecutionAccepted, ExecutionStatus
from shared.registry import WORKFLOW, FunctionMetadata, get_registry
from shared.repositories.ids import new_execution_id
from shared.repositories.workflow_keys import AccessKey
from shared.settings.environment import get_settings
from shared.webhooks.signatures import read_verification


async def call_endpoint(
    name: str, request: HttpRequestInfo, query: FieldValues, url: str, principal: Principal | None
) -> Executed | None:
    """Runs or enqueues the workflow behind an endpoint.

    Args:
        name: the workflow's.
        request: as it came, without the query parameter `code`.
        query: its query's parameters; one that comes more than once is a list.
        url: the whole address that was called.
        principal: who calls; None for nobody known, whom public endpoints take.

    Returns:
        What it came to, with the error that a failed run is here; None for a HEAD of an endpoint that verifies its
        calls: no sender signs one, and so it runs nothing.

    Raises:
        UnauthorizedError: nobody is known, and there is no such public endpoint; or the call does not prove who sent
            it.
        ForbiddenError: the key is not for this workflow.
        FunctionNotFoundError: there is no such endpoint.
        MethodNotAllowedError: it does not take the method.
        TooManyRequestsError: the key, or the public endpoint, has had its calls for now.
        BadRequestError: the body, or the Idempotency-Key, can't be read.
        PayloadTooLargeError, UnsupportedMediaTypeError: see `read_body`.
        ServiceUnavailableError: the secret that calls are verified with can't be had.
        ConflictError, InvalidInputError, StorageUnavailableError: see `submit`.
    """
    await ensure_loaded()
    found = get_registry().get_workflow(name)
    metadata = found if found is not None and found.endpoint_enabled else None
    principal = principal or _anybody(metadata)
    if principal.key is not None:
        _check_key(principal.key, name, metadata)
    if metadata is None:
        # No names that are like it: a key may not know which workflows there are.
        hint = ". A file of the workspace could not be loaded" if get_registry().load_errors else ""
        raise FunctionNotFoundError(f"There is no endpoint {name!r}{hint}")
    if request.method not in metadata.allowed_methods:
        allowed = ", ".join(metadata.allowed_methods)
        raise MethodNotAllowedError(f"{request.method} is not allowed here; {allowed} is", metadata.allowed_methods)
    verification = read_verification(metadata.verify) if metadata.verify is not None else None
    if verification is not None:
        if request.method == "HEAD":
            return None
        if request.method in verification.methods:
            await check_delivery(name, verification, request, url, principal)
            request, query = without_token(request, query, verification)
        else:
            verification = None
    checks_itself = principal.is_public and verification is None
    if checks_itself:
        check_own_refusals(name, request)
    _count(principal, name, is_verified=verification is not None)
    given = await parameters_of(request, query, metadata)
    token = secrets.token_urlsafe(32) if principal.is_public else None
    execution = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=principal.caller,
        organization=principal.organization,
        name=name,
        parameters=given.values,
        is_platform_admin=principal.is_platform_admin,
        is_function_key=principal.key is not None,
        http=replace(without_secrets(request), left_out=given.left_out),
        result_token_digest=hashlib.sha256(token.encode()).hexdigest() if token is not None else None,
        use=WORKFLOW,
    )
    key = _delivery_key(metadata, request, principal, is_verified=verification is not None)
    executed = await submit(execution, principal, key or _idempotency_key(name, request, principal))
    if isinstance(executed.answer, ExecutionAccepted):
        if not executed.replayed:
            own = {"result_token": token}
        else:
            # As its first answer was, whatever has become of it; the token of that is stored nowhere.
            own = {"status": ExecutionStatus.PENDING} if metadata.execution_mode == "async" else {}
        return replace(executed, answer=executed.answer.model_copy(update=own))
    if checks_itself and executed.user_status == UnauthorizedError.status:
        count_own_refusal(name, request)
    failure = failure_of_run(executed.answer, executed.user_status, is_public=principal.is_public)
    return replace(executed, failure=failure)


async def endpoints_for(principal: Principal | None) -> list[FunctionMetadata]:
    """The workflows behind the endpoints that this caller may call, by name; a stranger learns of public ones only."""
    await ensure_loaded()
    return [
        metadata
        for metadata in get_registry().get_all_workflows()
        if metadata.endpoint_enabled and _may_call(metadata, principal)
    ]


def _may_call(metadata: FunctionMetadata, principal: Principal | None) -> bool:
    if principal is None:
        return metadata.public_endpoint
    if principal.key is None:
        return True
    try:
        _check_key(principal.key, metadata.name, metadata)
    except ForbiddenError:
        return False
    return True


def _anybody(metadata: FunctionMetadata | None) -> Principal:
    # What is not public and what is not there are the same to a stranger.
    if metadata is None or not metadata.public_endpoint:
        raise UnauthorizedError("Call this with an access key, or sign in")
    return PUBLIC


def _check_key(key: AccessKey, name: str, metadata: FunctionMetadata | None) -> None:
    if key.workflow_name is not None:
        if key.workflow_name != name:
            raise ForbiddenError("This access key is for another workflow")
    elif metadata is not None and (metadata.disable_global_key or name in key.closed_workflows):
        raise ForbiddenError("This workflow takes no global access keys, only its own")


def _count(principal: Principal, name: str, *, is_verified: bool) -> None:
    settings = get_settings()
    if principal.key is not None:
        get_services().rates.take(f"key:{principal.key.key_id}", settings.endpoint_rate_per_minute)
    elif principal.is_public and is_verified:
        # Who signs is known as well as who has a key.
        get_services().rates.take(f"verified:{name}", settings.endpoint_rate_per_minute)
    elif principal.is_public:
        get_services().rates.take(f"public:{name}", settings.public_rate_per_minute)


def _delivery_key(
    metadata: FunctionMetadata, request: HttpRequestInfo, principal: Principal, *, is_verified: bool
) -> IdempotencyKey | None:
    header = metadata.dedupe_header
    text = request.headers.get(header.lower()) if header is not None else None
    if header is None or text is None or (principal.is_public and not is_verified):
        return None
    return IdempotencyKey.of_delivery(text, header, metadata.name, request.body)


def _idempotency_key(name: str, request: HttpRequestInfo, principal: Principal) -> IdempotencyKey | None:
    text = request.headers.get("idempotency-key")
    # Anonymous callers share one identity: a key would give one of them what another's call came to.
    if text is None or principal.is_public:
        return None
    return IdempotencyKey.of(text, f"{request.method} endpoints/{name}", [request.query, request.body])
