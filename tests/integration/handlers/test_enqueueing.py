"""An execution that can't be enqueued is refused, and its record says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared.context import Caller
from shared.engine import ExecutionRequest
from shared.errors import StorageUnavailableError
from shared.executor import Executor
from shared.queue_messages import EXECUTION_QUEUE
from shared.repositories.executions import ExecutionRepository
from shared.repositories.ids import new_execution_id
from shared.repositories.records import ExecutionFilters
from shared.storage import Storage
from tests.support.proxy import StorageProxy


async def test_with_the_queue_out_of_reach_the_caller_is_told_and_the_record_ends_as_failed(
    app: Callable[[], Storage], proxy: StorageProxy, proxied: Storage
):
    executions = ExecutionRepository(proxied)
    executor = Executor(executions, proxied.queue(EXECUTION_QUEUE))
    proxy.refuse(lambda exchange: exchange.service == "queue")
    request = ExecutionRequest(
        execution_id=new_execution_id(datetime.now(UTC)),
        caller=Caller("u1", name="U One"),
        name="add_later",
        parameters={"a": 1},
        use="workflow",
    )
    with pytest.raises(StorageUnavailableError):
        await executor.submit(request)
    (listed,), _ = await executions.list("GLOBAL", ExecutionFilters(), limit=10)
    assert (listed.execution_id, listed.status) == (request.execution_id, "Failed")
    assert listed.error == "add_later could not be enqueued: the queue was out of reach"
