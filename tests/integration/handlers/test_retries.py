"""A failed async run is tried again as its retry_policy says, and every attempt is kept and shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shared.executions.executor import Executor
from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import Services, get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionDetail
from shared.storage import Storage
from shared.storage.azure.queues import AzureQueue
from tests.integration.handlers.conftest import ADMIN, USER
from tests.support.executions import executor_with
from tests.support.proxy import StorageProxy

App = Callable[[], Storage]


async def enqueued(workflow: str, **parameters: Any) -> str:
    request = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    return (await execute_workflow_handler(request, USER)).answer.execution_id


async def deliver(execution_id: str, attempt: int = 1) -> ExecutionDetail:
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": attempt}))
    return await get_execution(execution_id, ADMIN)


async def test_a_failed_attempt_waits_for_the_next_and_is_kept(app: App):
    execution_id = await enqueued("flaky", succeeds_at=3)
    waiting = await deliver(execution_id)
    assert (waiting.status, waiting.attempt, waiting.error, waiting.started_at) == ("Pending", 2, None, None)
    assert await app().queue(EXECUTION_QUEUE).length() == 2
    await deliver(execution_id, attempt=2)
    ended = await deliver(execution_id, attempt=3)
    assert (ended.status, ended.attempt, ended.result) == ("Success", 3, execution_id)
    assert [(one["attempt"], one["status"], one["error"]) for one in ended.attempts] == [
        (1, "Failed", "attempt 1 failed"),
        (2, "Failed", "attempt 2 failed"),
    ]
    assert [one["logs"][0]["message"] for one in ended.attempts] == ["attempt 1", "attempt 2"]
    assert ended.logs is not None
    assert [line["message"] for line in ended.logs] == ["attempt 3"]
    assert [one["logs"] for one in (await get_execution(execution_id, USER)).attempts] == [None, None]


async def test_the_last_attempt_that_fails_ends_the_execution(app: App):
    execution_id = await enqueued("flaky", succeeds_at=9)
    for attempt in (1, 2, 3):
        ended = await deliver(execution_id, attempt)
    assert (ended.status, ended.attempt, ended.error) == ("Failed", 3, "attempt 3 failed")
    assert len(ended.attempts) == 2
    assert await deliver(execution_id, 4) == ended


async def test_an_attempt_is_run_once_however_often_its_message_comes(app: App):
    execution_id = await enqueued("flaky", succeeds_at=2)
    await deliver(execution_id)
    assert (await deliver(execution_id)).attempt == 2
    await deliver(execution_id, attempt=2)
    assert (await deliver(execution_id, attempt=2)).status == "Success"


async def test_a_user_error_and_wrong_input_are_not_retried(app: App):
    assert (await deliver(await enqueued("stubborn"))).status == "Failed"


class EagerQueue(AzureQueue):
    """Stands for a queue whose message another worker has before `send` returns, as can happen without a wait."""

    executor: Executor

    async def send(self, text: str, *, visibility_delay_seconds: int = 0) -> None:
        await self.executor.run_queued(text)


async def test_a_retry_that_is_delivered_at_once_is_not_lost(app: App):
    execution_id = await enqueued("flaky", succeeds_at=3)
    queue = EagerQueue.__new__(EagerQueue)
    queue.executor = executor_with(app(), queue)
    await queue.executor.run_queued(json.dumps({"execution_id": execution_id}))
    ended = await get_execution(execution_id, ADMIN)
    assert (ended.status, ended.attempt) == ("Success", 3)


async def test_a_retry_whose_message_can_not_be_sent_waits_until_it_is_sent_again(
    app: App, proxy: StorageProxy, proxied: Storage
):
    execution_id = await enqueued("flaky", succeeds_at=2)
    proxy.refuse(lambda exchange: exchange.service == "queue")
    executor = Services(proxied).executor
    await executor.run_queued(json.dumps({"execution_id": execution_id}))
    waiting = await get_execution(execution_id, ADMIN)
    assert (waiting.status, waiting.attempt) == ("Pending", 2)
    proxy.refuse(None)
    before = await app().queue(EXECUTION_QUEUE).length()
    assert (await get_services().recovery.recover()).sent == 1
    assert await app().queue(EXECUTION_QUEUE).length() == before + 1
    assert (await deliver(execution_id, attempt=2)).status == "Success"
