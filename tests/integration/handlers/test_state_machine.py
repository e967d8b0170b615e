"""Whatever happens to executions in whatever order: ends never change, attempts count right, each ends once.

A hypothesis state machine drives the real executor, record store and recovery against Azurite. Leases of runs last no
time at all here, so that each look of the recovery takes every run for lost, also those that live and go on later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from azure.storage.queue import QueueClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.context import Caller, Organization
from shared.engine import ExecutionRequest
from shared.errors import ConflictError
from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.services import Services, close_services, get_services
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.ids import new_execution_id
from shared.settings.environment import get_settings
from shared.storage import Storage
from shared.storage.azure.queues import AzureQueue
from tests.support import gates
from tests.support.accounts import StorageAccount
from tests.support.executions import executor_with

T = TypeVar("T")

GATED = """
from shared.decorators import workflow
from shared.errors import UserError
from tests.support import gates


async def go_on(context, outcome):
    await gates.arrive(context.execution_id, context.attempt)
    if outcome == "fails":
        raise RuntimeError("no")
    if outcome == "refuses":
        raise UserError("no")
    return context.attempt


@workflow(name="once")
async def once(context, outcome: str):
    return await go_on(context, outcome)


@workflow(name="thrice", retry_policy={"max_attempts": 3, "backoff_seconds": 0})
async def thrice(context, outcome: str):
    return await go_on(context, outcome)
"""

MAX_ATTEMPTS = {"once": 1, "thrice": 3}


class LostMessages(AzureQueue):
    """Stands for the queue of a process that dies between the record and its message."""

    def __init__(self) -> None:
        pass

    async def send(self, text: str, *, visibility_delay_seconds: int = 0) -> None:
        raise asyncio.CancelledError


class Executions(RuleBasedStateMachine):
    accounts: Iterator[StorageAccount]
    environment: pytest.MonkeyPatch
    scope = "org-1"

    def __init__(self) -> None:
        super().__init__()
        self.account = next(self.accounts)
        self.environment.setenv("AzureWebJobsStorage", self.account.connection_string)
        get_settings.cache_clear()
        with QueueClient.from_connection_string(self.account.connection_string, EXECUTION_QUEUE) as queue:
            queue.create_queue()
        self.runner = asyncio.Runner()
        self.ids: list[str] = []
        self.workflows: dict[str, str] = {}
        self.known: dict[str, ExecutionRecord] = {}
        self.running: dict[gates.Run, asyncio.Task[None]] = {}
        self.zombies: list[gates.Run] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def read(self, execution_id: str) -> ExecutionRecord:
        found = self.run(get_services().executions.get(self.scope, execution_id))
        assert found is not None
        return found

    def _request(self, workflow: str, outcome: str) -> ExecutionRequest:
        request = ExecutionRequest(
            execution_id=new_execution_id(datetime.now(UTC)),
            caller=Caller("u1"),
            organization=Organization(self.scope, self.scope),
            name=workflow,
            parameters={"outcome": outcome},
            use="workflow",
        )
        self.ids.append(request.execution_id)
        self.workflows[request.execution_id] = workflow
        return request

    @rule(workflow=st.sampled_from(["once", "thrice"]), outcome=st.sampled_from(["succeeds", "fails", "refuses"]))
    def submit(self, workflow: str, outcome: str) -> None:
        submission = self.run(get_services().executor.submit(self._request(workflow, outcome)))
        assert submission.record.status is ExecutionStatus.PENDING

    @rule(workflow=st.sampled_from(["once", "thrice"]))
    def submit_and_die_before_the_message(self, workflow: str) -> None:
        executor = executor_with(get_services().storage, LostMessages())
        with contextlib.suppress(asyncio.CancelledError):
            self.run(executor.submit(self._request(workflow, "succeeds")))

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), attempt=st.integers(1, 3))
    def deliver(self, data: st.DataObject, attempt: int) -> None:
        """Any message, once more or for the first time; a run that it begins is held at its gate."""
        execution_id = data.draw(st.sampled_from(self.ids))
        message = json.dumps({"execution_id": execution_id, "org_id": self.scope, "attempt": attempt})

        async def begin() -> asyncio.Task[None]:
            before = gates.starts[execution_id, attempt]
            task = asyncio.create_task(get_services().executor.run_queued(message))
            while not task.done() and gates.starts[execution_id, attempt] == before:
                await asyncio.sleep(0.005)
            return task

        task = self.run(begin())
        if not task.done():
            self.running[execution_id, attempt] = task
        else:
            task.result()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.running)))
        gates.open_gate(*run)
        task = self.running.pop(run)

        async def finish() -> None:
            await task

        self.run(finish())

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.running)))
        task = self.running.pop(run)

        async def kill() -> None:
            task.cancel()
            await asyncio.wait([task])

        self.run(kill())
        gates.open_gate(*run)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        record = self.read(data.draw(st.sampled_from(self.ids)))
        try:
            asked = self.run(get_services().executor.cancel(record))
        except ConflictError:
            assert record.status.is_end
        else:
            assert asked.status in ("Cancelled", "Cancelling")

    @rule(instances=st.integers(1, 3))
    def recover(self, instances: int) -> None:
        # All messages were delivered, so what still waits has none.
        with QueueClient.from_connection_string(self.account.connection_string, EXECUTION_QUEUE) as queue:
            queue.clear_messages()
        storage = get_services().storage
        recovery = Services(storage).recovery

        async def look() -> None:
            await asyncio.gather(*(recovery.recover() for _ in range(instances)))

        self.run(look())
        for execution_id in self.ids:
            assert self.read(execution_id).status not in ("Running", "Cancelling")

    @invariant()
    def all_is_well(self) -> None:
        for execution_id in self.ids:
            record = self.read(execution_id)
            known = self.known.get(execution_id)
            if known is not None and known.status.is_end:
                assert (record, record.etag) == (known, known.etag), "an end has changed"
            self.known[execution_id] = record
            assert record.attempt == len(record.attempts) + 1
            assert [attempt["attempt"] for attempt in record.attempts] == list(range(1, record.attempt))
            assert record.attempt <= MAX_ATTEMPTS[self.workflows[execution_id]]
            assert all(attempt["status"] in ("Failed", "Timeout") for attempt in record.attempts)
            assert not any(attempt["errorType"] == "UserError" for attempt in record.attempts)
            if record.status is ExecutionStatus.SUCCESS:
                assert record.end is not None
                assert record.end.result == record.attempt
            assert record.status.is_end == (record.end is not None)
            for attempt in range(1, 4):
                assert gates.starts[execution_id, attempt] <= 1, "an attempt was run twice"

    def teardown(self) -> None:
        for run in list(self.running):
            gates.open_gate(*run)

        async def end() -> None:
            await asyncio.gather(*self.running.values(), return_exceptions=True)
            await close_services()

        self.run(end())
        self.runner.close()


@pytest.mark.timeout(600)
def test_whatever_happens_each_execution_ends_once(
    app: Callable[[], Storage],
    storage_accounts: Iterator[StorageAccount],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    (tmp_path / "flows" / "gated_flows_of_the_test.py").write_text(GATED)
    monkeypatch.setattr("shared.executions.lease.LEASE_SECONDS", 0.0)
    monkeypatch.setattr("shared.executions.lease.RENEW_EVERY_SECONDS", 0.5)
    for name in ("LEASE_SECONDS", "CONFIRM_SECONDS", "UNSENT_AFTER_SECONDS"):
        monkeypatch.setattr(f"shared.executions.recovery.{name}", 0.0)
    Executions.accounts, Executions.environment = storage_accounts, monkeypatch
    full = request.config.getoption("--full")
    run_state_machine_as_test(
        Executions,
        settings=settings(
            max_examples=100 if full else 20,
            stateful_step_count=40 if full else 20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
