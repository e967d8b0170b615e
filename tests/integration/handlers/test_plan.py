"""The plan's entry points under the plan's names: what a worker does with the plan's message, what handlers answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import azure.functions as func

from functions.queue import worker
from shared.handlers.data_providers_handlers import get_data_provider_options_handler
from shared.handlers.executions_handlers import get_execution
from shared.handlers.forms_handlers import create_form, execute_form_handler
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.data_providers import ProviderRequest
from shared.models.executions import ExecuteRequest, ExecutionAccepted, ExecutionResponse
from shared.models.forms import FormDataRequest, FormRequest
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN, USER

App = Callable[[], Storage]


async def test_the_worker_runs_a_message_in_the_plans_form_whose_record_exists(app: App):
    request = ExecuteRequest(workflow_name="add_later", input_data={"a": 20, "b": 22})
    accepted = await execute_workflow_handler(request, USER)
    assert isinstance(accepted.answer, ExecutionAccepted)
    message = {
        "execution_id": accepted.answer.execution_id,
        "workflow_name": "add_later",
        "org_id": None,
        "user_id": USER.caller.user_id,
        "user_name": USER.caller.name,
        "user_email": USER.caller.email,
        "parameters": {"a": 20, "b": 22},
        "form_id": None,
    }
    await worker.workflow_execution_worker(func.QueueMessage(body=json.dumps(message).encode()))
    record = await get_execution(accepted.answer.execution_id, USER)
    assert (record.status, record.result, record.executed_by) == ("Success", {"sum": 42}, "user-1")


async def test_executing_a_workflow_answers_with_what_it_came_to(app: App):
    executed = await execute_workflow_handler(ExecuteRequest(workflow_name="add", input_data={"a": "1"}), ADMIN)
    assert isinstance(executed.answer, ExecutionResponse)
    answer = executed.answer.model_dump(mode="json", by_alias=True)
    assert (answer["status"], answer["result"], answer["error"]) == ("Success", {"sum": 2}, None)
    assert isinstance(answer["durationMs"], int)
    assert (await get_execution(answer["executionId"], ADMIN)).workflow_name == "add"


async def test_a_failed_workflow_answers_with_its_error_and_its_type(app: App):
    executed = await execute_workflow_handler(ExecuteRequest(workflow_name="fails"), ADMIN)
    assert isinstance(executed.answer, ExecutionResponse)
    assert (executed.answer.status, executed.answer.error_type) == ("Failed", "ValueError")
    record = (await get_execution(executed.answer.execution_id, ADMIN)).model_dump(mode="json", by_alias=True)
    assert record["errorMessage"] == record["error"] == "because"


async def test_asking_a_data_provider_answers_with_options_and_whether_they_were_cached(app: App):
    answers = [await get_data_provider_options_handler("options", ProviderRequest(), USER) for _ in range(2)]
    assert [(answer.provider, answer.options[0]["value"]) for answer in answers] == [("options", "a")] * 2
    assert [answer.cached for answer in answers] == [False, True]


async def test_executing_a_form_runs_its_workflow_with_what_was_filled_in(app: App):
    fields = [{"name": "a", "type": "number", "required": True}]
    body = {"name": "Add", "linkedWorkflow": "add", "isPublic": True, "formSchema": {"fields": fields}}
    made = (await create_form(FormRequest.model_validate(body), ADMIN)).form
    executed = await execute_form_handler(made.id, FormDataRequest(form_data={"a": 4}), USER)
    assert isinstance(executed.answer, ExecutionResponse)
    assert (executed.answer.status, executed.answer.result) == ("Success", {"sum": 5})
    assert (await get_execution(executed.answer.execution_id, ADMIN)).form_id == made.id
