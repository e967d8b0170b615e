"""Calls made again, and logs followed while a run goes on, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from tests.support.accounts import StorageAccount
from tests.support.hosted import Client, hosted_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

TALKING = """
import asyncio
for number in range(25):
    print(f"line {number}")
    await asyncio.sleep(0.1)
"""


async def test_fifty_identical_calls_at_once_run_once(app: Client):
    body = {"workflowName": "hello", "inputData": {"name": "Ada"}}
    headers = {"Idempotency-Key": "order-4711"}
    answers = await asyncio.gather(*(app.post("/workflows/execute", body, headers=headers) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["executionId"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count("true") == 49
    conflict = await app.post("/workflows/execute", {**body, "inputData": {"name": "Bob"}}, headers=headers)
    assert (conflict.status, conflict.body["error"]) == (409, "Conflict")
    assert "another body" in conflict.body["message"]
    bad = await app.post("/workflows/execute", body, headers={"Idempotency-Key": "x" * 300})
    assert (bad.status, bad.body["error"]) == (400, "BadRequest")


async def test_an_async_call_made_again_is_answered_with_the_first_one(app: Client):
    body = {"workflowName": "import_orders", "inputData": {"lines": ["17;9.50"], "seconds_per_order": 0}}
    headers = {"Idempotency-Key": "import-1"}
    first, again = [await app.post("/workflows/execute", body, headers=headers) for _ in range(2)]
    assert (first.status, again.status) == (202, 202), first.body
    assert first.body["executionId"] == again.body["executionId"]
    assert first.headers["Location"] == again.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    await app.until_ended(first.body["executionId"])


async def test_a_log_is_followed_while_the_script_runs(app: Client):
    code = base64.b64encode(TALKING.encode()).decode()
    running = asyncio.create_task(app.post("/workflows/execute", {"code": code, "scriptName": "talking"}))
    async with asyncio.timeout(10):
        while True:
            listed = await app.get("/executions", workflowName="talking", status="Running")
            if listed.body["executions"]:
                break
            await asyncio.sleep(0.05)
    path = f"/executions/{listed.body['executions'][0]['executionId']}/logs"
    lines: list[dict[str, Any]] = []
    cursor, states = 0, set()
    while True:
        view = (await app.get(path, after=cursor, wait=5)).body
        lines += view["logs"]
        cursor = view["cursor"]
        states.add(view["status"])
        if view["status"] == "Success" and not view["logs"]:
            break
    assert [line["seq"] for line in lines] == list(range(1, 26))
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(25)]
    assert states == {"Running", "Success"}
    assert (await running).body["status"] == "Success"


async def test_messages_of_others_are_put_aside_with_their_reasons_and_hold_nothing_up(
    storage_accounts: Iterator[StorageAccount],
):
    connection = next(storage_accounts).connection_string
    texts = {"no json at all", '{"order": 17}', '{"execution_id": "01a208e8-207f-7dec-923b-02a182093ae8"}'}
    async with (
        QueueClient.from_connection_string(connection, "workflow-executions") as queue,
        QueueClient.from_connection_string(connection, "workflow-executions-rejected") as aside,
    ):
        await queue.create_queue()
        for text in texts:
            await queue.send_message(base64.b64encode(text.encode()).decode())
        async with hosted_app(connection) as hosted:
            body = {"workflowName": "import_orders", "inputData": {"lines": ["17;9.50"], "seconds_per_order": 0}}
            accepted = await hosted.client.post("/workflows/execute", body)
            ended, _ = await hosted.client.until_ended(accepted.body["executionId"])
            assert ended["status"] == "Success"
            found: dict[str, str] = {}
            async with asyncio.timeout(30):
                while set(found) != texts:
                    try:
                        messages = await aside.peek_messages(32)
                    except ResourceNotFoundError:
                        messages = []
                    bodies = [json.loads(base64.b64decode(message.content)) for message in messages]
                    found = {held["message"]: held["reason"] for held in bodies}
                    await asyncio.sleep(0.2)
    assert found['{"order": 17}'] == "execution_id: Field required"
    assert all(found.values())
