"""A call with an Idempotency-Key runs once, however often and however many at once it is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.access.principal import Principal
from shared.context import Caller
from shared.engine import ExecutionRequest
from shared.errors import BadRequestError, ConflictError, InvalidInputError, StorageUnavailableError
from shared.executions.idempotency import IdempotencyKey
from shared.executions.queueing import EXECUTION_QUEUE
from shared.handlers.executions_handlers import list_executions, rerun_execution
from shared.handlers.services import Services, get_services
from shared.handlers.workflows_handlers import Executed, execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionAccepted, ExecutionListQuery, ExecutionResponse
from shared.repositories.idempotency_keys import VALID_FOR
from shared.repositories.ids import new_execution_id
from shared.storage import Storage, count_storage_calls
from tests.integration.handlers.conftest import ADMIN, OTHER_USER, USER
from tests.support.proxy import Exchange, StorageProxy

App = Callable[[], Storage]


async def call(
    workflow: str, text: str, principal: Principal = ADMIN, route: str = "POST workflows/execute", **parameters: Any
) -> Executed:
    body = ExecuteRequest(workflow_name=workflow, input_data=parameters)
    key = IdempotencyKey.of(text, route, body.model_dump())
    return await execute_workflow_handler(body, principal, None, key)


async def recorded() -> int:
    return len((await list_executions(ExecutionListQuery(limit=100), ADMIN)).executions)


async def test_fifty_calls_at_once_are_one_execution_and_all_get_its_result(app: App):
    executed = await asyncio.gather(*(call("patient", "k", seconds=0.3) for _ in range(50)))
    assert len({one.answer.execution_id for one in executed}) == 1
    assert [one.replayed for one in executed].count(False) == 1
    assert all(isinstance(one.answer, ExecutionResponse) and one.answer.result == "waited" for one in executed)
    assert await recorded() == 1


async def test_fifty_async_calls_at_once_are_one_execution_and_one_message(app: App):
    executed = await asyncio.gather(*(call("add_later", "k", a=1) for _ in range(50)))
    assert len({one.answer.execution_id for one in executed}) == 1
    assert all(isinstance(one.answer, ExecutionAccepted) for one in executed)
    assert await recorded() == 1
    assert await get_services().storage.queue(EXECUTION_QUEUE).length() == 1


async def test_a_call_made_again_shows_the_first_one_as_it_is_by_now(app: App):
    first = await call("add_later", "k", a=1)
    assert isinstance(first.answer, ExecutionAccepted)
    assert not first.replayed
    await get_services().executor.run_queued(json.dumps({"execution_id": first.answer.execution_id}))
    again = await call("add_later", "k", a=1)
    assert isinstance(again.answer, ExecutionAccepted)
    assert (again.answer.execution_id, again.answer.status, again.replayed) == (
        first.answer.execution_id,
        "Success",
        True,
    )


async def test_a_failed_run_is_not_run_again(app: App):
    first, again = await call("fails", "k"), await call("fails", "k")
    assert first.answer.status == again.answer.status == "Failed"
    assert first.answer.execution_id == again.answer.execution_id


async def test_a_run_that_lasts_is_waited_for_and_then_a_202(app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shared.executions.idempotency.WAIT_FOR_END_SECONDS", 0.1)
    first = asyncio.create_task(call("patient", "k", seconds=1))
    while not await recorded():
        await asyncio.sleep(0.02)
    again = await call("patient", "k", seconds=1)
    assert isinstance(again.answer, ExecutionAccepted)
    assert (again.answer.status, again.answer.message, again.replayed) == ("Running", "patient still runs", True)
    assert (await first).answer.execution_id == again.answer.execution_id


async def test_another_body_with_the_same_key_is_refused(app: App):
    await call("add", "k", a=1)
    with pytest.raises(ConflictError, match="another body"):
        await call("add", "k", a=2)
    with pytest.raises(ConflictError):
        await call("add", "k", a="1")
    assert await recorded() == 1


async def test_keys_of_other_callers_and_routes_are_others(app: App):
    executed = [
        await call("add", "k", a=1),
        await call("add", "k", USER, a=1),
        await call("add", "k", OTHER_USER, a=1),
        await call("add", "k", route="POST workflows/add/execute", a=1),
        await call("add", "K", a=1),
    ]
    assert len({one.answer.execution_id for one in executed}) == 5


async def test_wrong_input_does_not_use_up_the_key(app: App):
    with pytest.raises(InvalidInputError):
        await call("add", "k", a="no number")
    assert not (await call("add", "k", a=1)).replayed


async def test_a_transient_run_takes_no_notice(app: App):
    body = ExecuteRequest(workflow_name="add", input_data={"a": 1}, transient=True)
    key = IdempotencyKey.of("k", "POST workflows/execute", body.model_dump())
    executed = [await execute_workflow_handler(body, ADMIN, None, key) for _ in range(2)]
    assert len({one.answer.execution_id for one in executed}) == 2
    assert not any(one.replayed for one in executed)


async def test_a_rerun_with_a_key_is_one_rerun(app: App):
    first = (await call("add", "first", a=1)).answer.execution_id
    key = IdempotencyKey.of("again", f"POST executions/{first}/rerun", [])
    executed = await asyncio.gather(*(rerun_execution(first, ADMIN, key) for _ in range(5)))
    assert len({one.answer.execution_id for one in executed} - {first}) == 1
    assert await recorded() == 2


async def test_what_a_call_left_that_died_before_its_record_is_begun_once_by_those_who_come_after(
    app: App, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shared.executions.idempotency.WAIT_FOR_RECORD_SECONDS", 0.2)
    body = ExecuteRequest(workflow_name="patient", input_data={"seconds": 0.2})
    key = IdempotencyKey.of("k", "POST workflows/execute", body.model_dump())
    left = "01a208e8-207f-7dec-923b-02a182093ae8"
    owner = ("GLOBAL", "admin-1", key.route, key.text)
    await get_services().idempotency_keys.claim(owner, left, key.digest, datetime.now(UTC))
    executed = await asyncio.gather(*(execute_workflow_handler(body, ADMIN, None, key) for _ in range(10)))
    assert {one.answer.execution_id for one in executed} == {left}
    assert all(isinstance(one.answer, ExecutionResponse) and one.answer.result == "waited" for one in executed)
    assert await recorded() == 1


@pytest.mark.parametrize(("workflow", "goes_on"), [("add", False), ("add_later", True)])
async def test_a_call_that_was_refused_although_it_was_recorded_may_be_made_again(
    app: App, proxy: StorageProxy, proxied: Storage, workflow: str, goes_on: bool
):
    services = Services(proxied)
    executor, idempotent = services.executor, services.idempotent_executor
    key = IdempotencyKey.of("k", "POST x", {})

    def request() -> ExecutionRequest:
        execution_id = new_execution_id(datetime.now(UTC))
        return ExecutionRequest(execution_id=execution_id, caller=Caller("u1"), name=workflow, parameters={"a": 1})

    # The tables are there, so that the first batch is the record's.
    await executor.submit(request())
    spoiled: list[bool] = []

    def is_spoiled(_: Exchange) -> bool:
        if proxy.answers_lost:
            spoiled.append(True)
        return bool(spoiled)

    proxy.lose_an_answer(lambda exchange: exchange.url.endswith("$batch"))
    proxy.refuse(is_spoiled)
    with pytest.raises(StorageUnavailableError):
        await idempotent.submit_once(request(), key)
    proxy.refuse(None)
    async with asyncio.timeout(20):
        submission = await idempotent.submit_once(request(), key)
    assert submission.is_pending is goes_on
    assert submission.record.status == ("Pending" if goes_on else "Success")
    again = await idempotent.submit_once(request(), key)
    assert again.record.execution_id == submission.record.execution_id
    if goes_on:
        # Nothing ends it behind the caller's back.
        await executor.run_queued(json.dumps({"execution_id": submission.record.execution_id}))
        assert (await idempotent.submit_once(request(), key)).record.status == "Success"


async def test_a_key_is_free_again_after_a_day(app: App):
    keys = get_services().idempotency_keys
    now = datetime.now(UTC)
    first = await keys.claim(("a", "b"), "id-1", "digest", now - VALID_FOR)
    assert (await keys.claim(("a", "b"), "id-2", "other", now - timedelta(seconds=1))) == first
    claims = await asyncio.gather(*(keys.claim(("a", "b"), f"new-{number}", "other", now) for number in range(10)))
    assert len(set(claims)) == 1
    assert claims[0].execution_id.startswith("new-")


async def test_old_claims_are_removed_and_valid_ones_stay(app: App):
    keys = get_services().idempotency_keys
    now = datetime.now(UTC)
    for number in range(150):
        await keys.claim(("old", str(number)), "id", "digest", now - VALID_FOR)
    for number in range(20):
        await keys.claim(("new", str(number)), "id", "digest", now)
    assert await keys.remove_old(now) == 150
    assert await keys.remove_old(now) == 0
    assert (await keys.claim(("new", "3"), "other", "other", now)).execution_id == "id"


async def test_a_key_costs_one_call_more_and_a_replay_two(app: App):
    await call("add", "warm up", a=1)
    with count_storage_calls() as first:
        await call("add", "k", a=1)
    with count_storage_calls() as again:
        await call("add", "k", a=1)
    assert (first.tables, again.tables) == (3, 3)


@pytest.mark.parametrize("text", ["", "x" * 256, "ä", "a\nb", "\x7f"])
def test_a_key_that_is_none_is_refused(text: str):
    with pytest.raises(BadRequestError, match="printable ASCII"):
        IdempotencyKey.of(text, "POST x", {})


def test_the_same_json_is_the_same_body_whatever_its_order():
    one = IdempotencyKey.of("k", "r", {"a": 1, "b": [1, {"x": None, "y": 2}]})
    assert IdempotencyKey.of("k", "r", {"b": [1, {"y": 2, "x": None}], "a": 1}) == one
    assert IdempotencyKey.of("k", "r", {"b": [1, {"y": 2, "x": None}], "a": True}) != one
    IdempotencyKey.of("k", "r", {"huge": 10**5000})
