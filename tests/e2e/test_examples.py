"""Every example of the workspace, called as a new user calls it."""

from __future__ import annotations

import pytest

from tests.support.hosted import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_sync_workflow_answers_with_result_and_logs(app: Client):
    answer = await app.post("/workflows/execute", {"workflowName": "hello", "inputData": {"name": "Ada"}})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.body
    assert (body["status"], body["result"], body["isTransient"]) == ("Success", {"greeting": "Hello, Ada!"}, False)
    assert [(line["level"], line["message"], line["source"]) for line in body["logs"]] == [
        ("info", "Greeting somebody", "context")
    ]
    assert body["startedAt"].endswith("+00:00")


async def test_an_async_workflow_goes_from_pending_over_running_to_success(app: Client):
    lines = [f"order-{number};{number}.50" for number in range(5)]
    answer = await app.post("/workflows/import_orders/execute", {"inputData": {"lines": lines}})
    assert (answer.status, answer.body["status"]) == (202, "Pending")
    assert answer.headers["Location"] == answer.body["links"]["self"]
    execution, seen = await app.until_ended(answer.body["executionId"])
    assert seen == ["Pending", "Running", "Success"] or seen == ["Running", "Success"]
    assert execution["result"]["imported"] == 5
    assert execution["progress"]["fraction"] == 1
    logs = await app.get(f"/executions/{answer.body['executionId']}/logs")
    assert [line["message"] for line in logs.body["logs"]] == [f"Imported order order-{n}" for n in range(5)]


async def test_lines_that_are_no_orders_end_the_run_as_completed_with_errors(app: Client):
    answer = await app.post(
        "/workflows/import_orders/execute", {"inputData": {"lines": ["a;1", "b"], "seconds_per_order": 0}}
    )
    execution, _ = await app.until_ended(answer.body["executionId"])
    assert (execution["status"], execution["error"]) == ("CompletedWithErrors", "1 of 2 lines are no orders")


async def test_a_function_with_both_tags_runs_as_a_workflow(app: Client):
    answer = await app.post("/workflows/departments/execute", {"inputData": {"search": "fin"}})
    assert answer.body["result"] == [{"label": "Finance", "value": "fin"}]


async def test_the_webhook_takes_its_fields_as_text_too(app: Client):
    fields = {"ticket": "17", "event": "opened", "priority": "1"}
    answer = await app.post("/workflows/ticket_webhook/execute", {"inputData": fields})
    assert answer.body["result"] == {"ticket": 17, "event": "opened", "urgent": True}


async def test_a_data_provider_is_no_workflow(app: Client):
    answer = await app.post("/workflows/execute", {"workflowName": "licences"})
    assert (answer.status, answer.body["error"]) == (404, "NotFound")


async def test_all_examples_are_listed_with_what_a_form_needs(app: Client):
    workflows = {workflow["name"]: workflow for workflow in (await app.get("/workflows")).body}
    assert {"hello", "import_orders", "departments", "ticket_webhook"} <= set(workflows)
    hello = workflows["hello"]
    assert set(hello) == {
        *("name", "description", "category", "tags", "parameters", "executionMode", "timeoutSeconds", "retryPolicy"),
        *("schedule", "endpointEnabled", "allowedMethods", "disableGlobalKey", "publicEndpoint", "source"),
        *("verify", "dedupeHeader"),
    }
    assert hello["parameters"][0] == {
        "name": "name",
        "type": "string",
        "required": True,
        "label": "Name",
        "dataProvider": None,
        "defaultValue": None,
        "helpText": None,
        "validation": {"min_length": 1, "max_length": 80},
        "options": None,
    }
