"""What workflow authors import and call has the names and signatures that are written here, and loses none of them.

A change here is a change of the contract with every workflow that exists.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from shared.context import EndpointResponse, ExecutionContext, HttpRequestInfo
from shared.errors import UserError
from shared.testing import run

# "…" stands for a default that is made at each call, or that only tells "left out".
EXPORTED: dict[str, dict[str, str | None]] = {
    "shared.decorators": {
        "VALID_PARAM_TYPES": None,
        "data_provider": "(name=None, description=…, category=…, cache_ttl_seconds=300, cache_per='organization')",
        "param": "(name, type, label=None, required=False, validation=None, data_provider=None, default_value=None, "
        "help_text=None)",
        "workflow": "(name=None, description=…, category=…, tags=None, execution_mode='async', timeout_seconds=300, "
        "retry_policy=None, schedule=None, endpoint_enabled=False, allowed_methods=('POST',), "
        "disable_global_key=False, public_endpoint=False, source=None, verify=None, dedupe_header=None)",
    },
    "shared.context": {
        "Caller": "(user_id, email='', name='')",
        "EndpointResponse": "(body=None, status_code=200, headers=None)",
        "ExecutionContext": None,
        "HttpRequestInfo": "(method, headers=…, query=…, body=b'', left_out=())",
        "Organization": "(id, name, is_active=True)",
    },
    "shared.errors": {
        "BadRequestError": "(message, details=None)",
        "ConfigurationError": None,
        "ConflictError": "(message, details=None)",
        "DefinitionError": None,
        "DuplicateFunctionError": None,
        "ExecutionStopped": None,
        "NotAwaitedError": None,
        "FieldError": None,
        "FileUnavailableError": None,
        "ForbiddenError": "(message, details=None)",
        "FunctionNotFoundError": "(message, details=None)",
        "InvalidInputError": "(message, errors)",
        "LengthRequiredError": "(message, details=None)",
        "MethodNotAllowedError": "(message, allow)",
        "NotFoundError": "(message, details=None)",
        "PayloadTooLargeError": "(message, details=None)",
        "PlatformError": "(message, details=None)",
        "PreconditionFailedError": "(message, details=None)",
        "ProviderFailedError": "(message, details=None)",
        "ProviderTimeoutError": "(message, details=None)",
        "ServiceUnavailableError": "(message, retry_after, details=None)",
        "SettingsError": None,
        "StorageUnavailableError": "(message='Storage is out of reach', retry_after=5, *, is_uncertain=False)",
        "TooManyRequestsError": "(message, retry_after, details=None)",
        "UnauthorizedError": "(message, details=None)",
        "UnsupportedMediaTypeError": "(message, codings=())",
        "UserError": "(message='', status_code=None)",
        "WorkflowFailedError": None,
        "WorkflowTimeoutError": None,
    },
    "shared.testing": {
        "TEST_CALLER": None,
        "local_file": "(path)",
        "run": "async (function, /, config=None, secrets=None, request=None, organization=None, caller=None, "
        "**parameters)",
        "run_named": "async (name, parameters, use=None, *, config=None, secrets=None, on_error=None)",
    },
    "shared.webhooks": {
        "verify_github": "(secret, request)",
        "verify_stripe": "(secret, request, tolerance_seconds=300, now=None)",
    },
}
METHODS = {
    "debug": "(message, **data)",
    "error": "(message, **data)",
    "get_config": "(key, default=None)",
    "get_secret": "async (key)",
    "has_config": "(key)",
    "info": "(message, **data)",
    "read_file": "async (value)",
    "report_progress": "(fraction, message='')",
    "save_checkpoint": "(name, data=None)",
    "set_result": "(value)",
    "track_integration_call": "(integration, method, endpoint, status, duration_ms, error=None)",
    "warning": "(message, **data)",
}
# With what each is in a run of shared.testing.
ATTRIBUTES = {
    "attempt": 1,
    "cancelled": False,
    "email": "test@example.com",
    "execution_id": "text",
    "is_function_key": False,
    "is_global_scope": True,
    "is_platform_admin": True,
    "name": "Test",
    "org_id": None,
    "org_name": None,
    "organization": None,
    "request": None,
    "scope": "GLOBAL",
    "user_id": "test",
}
RESULT = [
    "cache_expires_at",
    "cached",
    "duration_ms",
    "error_details",
    "error_message",
    "error_type",
    "execution_id",
    "integration_calls",
    "logs",
    "progress",
    "response",
    "result",
    "stale",
    "state_snapshots",
    "status",
    "variables",
]


def signature_of(function: Callable[..., Any]) -> str:
    """The signature without annotations, and `self`."""
    found = inspect.signature(function)
    parameters: list[inspect.Parameter] = []
    for parameter in found.parameters.values():
        plain = parameter.replace(annotation=inspect.Parameter.empty)
        if parameter.default is not inspect.Parameter.empty and repr(parameter.default).startswith("<"):
            plain = plain.replace(default=_LeftOut())
        if parameter.name != "self":
            parameters.append(plain)
    text = str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return f"async {text}" if inspect.iscoroutinefunction(function) else text


class _LeftOut:
    def __repr__(self) -> str:
        return "…"


@pytest.mark.parametrize("module", EXPORTED)
def test_the_names_are_there_with_their_signatures(module: str):
    found = importlib.import_module(module)
    written = EXPORTED[module]
    assert {name: hasattr(found, name) for name in written} == dict.fromkeys(written, True)
    signatures = {name: signature_of(getattr(found, name)) for name, signature in written.items() if signature}
    assert signatures == {name: signature for name, signature in written.items() if signature}


def test_errors_and_webhooks_have_no_other_names():
    found = vars(importlib.import_module("shared.errors"))
    own = {name for name, value in found.items() if getattr(value, "__module__", None) == "shared.errors"}
    assert {name for name in own if name[0] != "_"} == set(EXPORTED["shared.errors"])
    assert set(importlib.import_module("shared.webhooks").__all__) == set(EXPORTED["shared.webhooks"])


def test_the_types_of_parameters():
    decorators = importlib.import_module("shared.decorators")
    assert decorators.VALID_PARAM_TYPES == (
        "string",
        "int",
        "bool",
        "float",
        "json",
        "list",
        "email",
        "date",
        "datetime",
    )


async def test_the_context_is_what_a_workflow_sees_of_its_run():
    seen: dict[str, Any] = {}

    def look(context: ExecutionContext) -> None:
        seen.update({name: getattr(context, name) for name in dir(context) if not name.startswith("_")})

    assert (await run(look)).status == "Success"
    methods = {name: signature_of(value) for name, value in seen.items() if callable(value)}
    assert methods == METHODS
    attributes = {name: value for name, value in seen.items() if name not in methods}
    assert attributes | {"execution_id": "text"} == ATTRIBUTES
    assert isinstance(attributes["execution_id"], str)


async def test_a_result_tells_an_authors_test_these_things():
    result = await run(lambda: 1)
    assert {name: hasattr(result, name) for name in RESULT} == dict.fromkeys(RESULT, True)


def test_what_authors_make_is_made_by_position_too():
    assert EndpointResponse("text", 201, {"a": "b"}) == EndpointResponse(
        body="text", status_code=201, headers={"a": "b"}
    )
    assert HttpRequestInfo("GET", {"a": "b"}, {"c": "d"}, b"e").query == {"c": "d"}
    assert str(UserError("not today")) == "not today"
