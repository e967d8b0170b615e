"""The same wrong input gets the same errors, whichever door it comes through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.context import HttpRequestInfo
from shared.errors import InvalidInputError
from shared.handlers.endpoints_handlers import call_endpoint
from shared.handlers.executions_handlers import get_execution
from shared.handlers.forms_handlers import create_form, execute_form_handler
from shared.handlers.provider_options import provide_options
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionStatus
from shared.models.forms import FormDataRequest, FormRequest
from shared.storage import Storage
from shared.testing import run_named
from tests.integration.handlers.conftest import ADMIN, USER
from tests.support.executions import new_record

App = Callable[[], Storage]
Errors = list[tuple[list[Any], str]]

GOOD = {"needed": "yes"}
PARAMETERS = ["needed", "text", "number", "ratio", "flag", "data", "items", "mail", "choice"]
BAD: list[dict[str, Any]] = [
    {},
    {"needed": None},
    {"needed": 5},
    {"needed": ["yes"]},
    {"needed": "yes", "unknown": 1},
    {"needed": "yes", "": 1},
    {"needed": "yes", "context": {}},
    {"needed": "yes", "text": "a"},
    {"needed": "yes", "text": "abcde"},
    {"needed": "yes", "text": "AB"},
    {"needed": "yes", "text": {}},
    {"needed": "yes", "number": 0},
    {"needed": "yes", "number": "10"},
    {"needed": "yes", "number": "many"},
    {"needed": "yes", "number": 1.5},
    {"needed": "yes", "number": True},
    {"needed": "yes", "ratio": 1.01},
    {"needed": "yes", "ratio": "nan"},
    {"needed": "yes", "ratio": []},
    {"needed": "yes", "flag": "perhaps"},
    {"needed": "yes", "flag": 2},
    {"needed": "yes", "data": "{broken"},
    {"needed": "yes", "items": [1, 2, 3]},
    {"needed": "yes", "items": "a,b,c"},
    {"needed": "yes", "items": {"a": 1}},
    {"needed": "yes", "mail": "nobody"},
    {"needed": "yes", "mail": "a@b..example"},
    {"needed": "yes", "choice": "third"},
    {"needed": "yes", "choice": 1},
    {"text": 1, "number": "x", "flag": [], "mail": "x", "choice": "x", "more": 1, "most": 2},
]


async def by_http_to_a_sync_workflow(given: dict[str, Any]) -> Errors:
    return await _refused("typed", given)


async def by_http_to_an_async_workflow(given: dict[str, Any]) -> Errors:
    return await _refused("typed_later", given)


async def _refused(name: str, given: dict[str, Any]) -> Errors:
    with pytest.raises(InvalidInputError) as caught:
        await execute_workflow_handler(ExecuteRequest(workflow_name=name, input_data=given), ADMIN)
    return [(error["loc"], error["type"]) for error in caught.value.errors]


async def by_queue_message(given: dict[str, Any]) -> Errors:
    """A record whose input was valid when it was written; the workflow has changed since."""
    now = datetime.now(UTC)
    record = new_record(
        at=now, scope="GLOBAL", workflow_name="typed_later", status=ExecutionStatus.PENDING, input_data=given
    )
    await get_services().executions.create(record)
    await get_services().executor.run_queued(json.dumps({"execution_id": record.execution_id}))
    found = await get_execution(record.execution_id, ADMIN)
    assert (found.status, found.error_type) == ("Failed", "ValidationError")
    assert found.details is not None
    return [(error["loc"], error["type"]) for error in found.details["errors"]]


async def by_command_line(given: dict[str, Any]) -> Errors:
    result = await run_named("typed", given)
    assert (result.status, result.error_type) == ("Failed", "ValidationError")
    assert result.error_details is not None
    return [(error["loc"], error["type"]) for error in result.error_details["errors"]]


async def by_endpoint(given: dict[str, Any]) -> Errors:
    request = HttpRequestInfo("POST", {"content-type": "application/json"}, {}, json.dumps(given).encode())
    with pytest.raises(InvalidInputError) as caught:
        await call_endpoint("typed", request, {}, "", ADMIN)
    return [(error["loc"], error["type"]) for error in caught.value.errors]


async def by_data_provider(given: dict[str, Any]) -> Errors:
    with pytest.raises(InvalidInputError) as caught:
        await provide_options("typed_options", given, ADMIN)
    return [(error["loc"], error["type"]) for error in caught.value.errors]


async def by_form(given: dict[str, Any]) -> Errors:
    """Fields that take anything, so that it is for the workflow to say what is wrong."""
    fields = [
        {"name": name, "type": "select", "dataProvider": "options", "strictOptions": False} for name in PARAMETERS
    ]
    form = await create_form(
        FormRequest.model_validate(
            {"name": str(uuid4()), "linkedWorkflow": "typed", "isPublic": True, "formSchema": {"fields": fields}}
        ),
        ADMIN,
    )
    with pytest.raises(InvalidInputError) as caught:
        await execute_form_handler(form.form.id, FormDataRequest(form_data=given), USER)
    return [(error["loc"], error["type"]) for error in caught.value.errors]


DOORS: list[Callable[[dict[str, Any]], Awaitable[Errors]]] = [
    by_http_to_a_sync_workflow,
    by_http_to_an_async_workflow,
    by_queue_message,
    by_data_provider,
    by_command_line,
]


@pytest.mark.parametrize("given", BAD, ids=lambda given: json.dumps(given)[:60])
async def test_every_door_names_the_same_errors(app: App, given: dict[str, Any]):
    first, *others = [await door(given) for door in DOORS]
    assert first
    for errors in others:
        assert errors == first


@pytest.mark.parametrize(
    "given", [given for given in BAD if {*given} <= {*PARAMETERS}], ids=lambda given: json.dumps(given)[:60]
)
async def test_an_endpoint_names_the_same_errors_but_for_what_it_leaves_out(app: App, given: dict[str, Any]):
    assert await by_endpoint(given) == await by_http_to_a_sync_workflow(given)


@pytest.mark.parametrize(
    "given", [given for given in BAD if [] not in given.values()], ids=lambda given: json.dumps(given)[:60]
)
async def test_a_form_refuses_what_is_no_field_of_it_and_else_names_the_same_errors(app: App, given: dict[str, Any]):
    # An empty list is an empty field, which is left out.
    unknown = [name for name in given if name not in PARAMETERS]
    if unknown:
        assert await by_form(given) == [(["body", "form_data", name], "unknown_field") for name in unknown]
    else:
        assert await by_form(given) == await by_http_to_a_sync_workflow(given)


async def test_there_are_thirty_bad_inputs_and_the_good_one_is_good(app: App):
    assert len(BAD) == 30
    executed = await execute_workflow_handler(ExecuteRequest(workflow_name="typed", input_data=GOOD), ADMIN)
    assert executed.answer.status == "Success"
