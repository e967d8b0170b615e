"""The record store of executions: writing and reading one, against Azurite."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import StorageUnavailableError
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.record import ExecutionFilters, ExecutionRecord
from shared.repositories.executions.rows import payload_values
from shared.repositories.executions.store import CONTAINER, TABLE, ExecutionChangedError, ExecutionStore
from shared.repositories.ids import new_execution_id
from shared.storage import MissingError, Storage, count_storage_calls
from tests.support.executions import SCOPE, new_record, success
from tests.support.proxy import Exchange, StorageProxy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PENDING = {"status": ExecutionStatus.PENDING, "started_at": None}


@pytest.fixture
async def executions(storage: Storage) -> ExecutionStore:
    """The record store, with its table there already, and with the scope `known`."""
    repository = ExecutionStore(storage)
    await repository.create(new_record(scope="known"))
    return repository


async def read(executions: ExecutionStore, record: ExecutionRecord) -> ExecutionRecord:
    found = await executions.get(record.scope, record.execution_id)
    assert found is not None
    return found


async def test_a_record_comes_back_as_it_was_written(executions: ExecutionStore) -> None:
    created = await executions.create(
        new_record(
            is_script=True,
            form_id="form-1",
            executed_by="o'neil/\\#?%",
            executed_by_name="名前 " * 40,
            workflow_name="it's; a-name",
            input_data={"text": "x' or '1' eq '1", "nested": [1, 2.5, None, {"ü": "\ud800"}]},
        )
    )
    assert await read(executions, created) == created
    end = success(
        execution_id=created.execution_id,
        status=ExecutionStatus.COMPLETED_WITH_ERRORS,
        error_message="line one\nline two " + "long " * 200,
        error_type="UserError",
        error_details={"frames": [1]},
        logs=[{"seq": 1, "message": "hello"}],
        variables={"x": 1},
        state_snapshots=[{"name": "half"}],
        integration_calls=[{"method": "GET"}],
    )
    finished = await executions.finish(created, end)
    found = await read(executions, finished)
    assert found == finished
    assert found.end is not None
    assert (found.etag, found.org_id, found.end.result) == (finished.etag, SCOPE, {"greeting": "Hello"})


@pytest.mark.parametrize(
    "scope", ["GLOBAL", SCOPE, "", "a/b\\c#d?e%f", "' or PartitionKey ne '", "x" * 2000, "ö\x00\n"]
)
async def test_a_record_is_found_in_its_own_scope_only_whatever_the_scope_is_called(
    executions: ExecutionStore, scope: str
) -> None:
    record = await executions.create(new_record(scope=scope))
    assert await read(executions, record) == record
    assert await executions.get(scope + "x", record.execution_id) is None
    summaries, _ = await executions.list(scope, ExecutionFilters(), limit=10)
    assert [summary.execution_id for summary in summaries] == [record.execution_id]


async def test_an_unknown_id_is_nothing(executions: ExecutionStore) -> None:
    assert await executions.get(SCOPE, new_execution_id(NOW)) is None


async def test_a_sync_run_costs_two_calls_and_says_so(executions: ExecutionStore) -> None:
    with count_storage_calls() as calls:
        finished = await executions.finish(
            await executions.create(new_record(scope="known")), success(logs=[{"m": "x" * 30_000}])
        )
    assert (calls.tables, calls.queues, calls.blobs) == (2, 0, 0)
    assert (await read(executions, finished)).storage_calls == 2


async def test_a_queued_run_costs_one_call_and_its_message_and_then_three_and_says_so(
    executions: ExecutionStore, storage: Storage
) -> None:
    queue = storage.queue("jobs")
    await queue.send("the queue is there now")
    with count_storage_calls() as enqueue:
        created = await executions.create(new_record(scope="known", **PENDING, storage_calls=1))
        await queue.send(created.execution_id)
    assert (enqueue.tables, enqueue.queues, enqueue.blobs) == (1, 1, 0)

    with count_storage_calls() as worker:
        record = await read(executions, created)
        record = await executions.claim(record, started_at=NOW, lease_until=NOW + timedelta(seconds=30))
        await executions.finish(record, success(execution_id=record.execution_id))
    assert (worker.tables, worker.queues, worker.blobs) == (3, 0, 0)

    with count_storage_calls() as poll:
        found = await read(executions, created)
    assert poll.total == poll.tables == 1
    assert found.storage_calls == enqueue.total + worker.total


async def test_a_claim_starts_the_run_and_only_one_of_many_workers_gets_it(executions: ExecutionStore) -> None:
    created = await executions.create(new_record(**PENDING))
    lease = NOW + timedelta(seconds=30)
    claims = (executions.claim(created, started_at=NOW, lease_until=lease) for _ in range(10))
    results = await asyncio.gather(*claims, return_exceptions=True)
    claimed = [result for result in results if isinstance(result, ExecutionRecord)]
    assert len(claimed) == 1
    assert sum(isinstance(result, ExecutionChangedError) for result in results) == 9
    found = await read(executions, created)
    assert found == claimed[0]
    assert (found.status, found.started_at, found.lease_until) == (ExecutionStatus.RUNNING, NOW, lease)


async def test_an_end_is_written_once_and_never_changes(executions: ExecutionStore) -> None:
    created = await executions.create(new_record())
    ends = (
        executions.finish(created, success(execution_id=created.execution_id, result=number)) for number in range(5)
    )
    results = await asyncio.gather(*ends, return_exceptions=True)
    assert sum(isinstance(result, ExecutionRecord) for result in results) == 1
    found = await read(executions, created)
    for status in ExecutionStatus:
        with pytest.raises(ExecutionChangedError):
            await executions.transition(found, replace(found, status=status))
    assert await read(executions, created) == found


async def test_of_two_changes_to_the_same_record_one_is_told_that_it_lost(executions: ExecutionStore) -> None:
    record = await executions.create(new_record())
    for _ in range(2):
        changes = (
            executions.transition(record, replace(record, status=status))
            for status in (ExecutionStatus.CANCELLING, ExecutionStatus.PENDING)
        )
        results = await asyncio.gather(*changes, return_exceptions=True)
        (written,) = (result for result in results if isinstance(result, ExecutionRecord))
        assert await read(executions, record) == written
        record = await executions.create(new_record())


async def test_an_error_without_words_is_an_error_all_the_same(executions: ExecutionStore) -> None:
    end = success(status=ExecutionStatus.FAILED, result=None, error_message="", error_type="ValueError")
    finished = await executions.finish(await executions.create(new_record()), end)
    found = await read(executions, finished)
    assert found.end is not None
    assert (found.end.error_message, found.end.error_type) == ("", "ValueError")


@pytest.mark.parametrize("start", [ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.CANCELLING])
async def test_a_record_goes_only_where_its_state_may_go(executions: ExecutionStore, start: ExecutionStatus) -> None:
    for following in ExecutionStatus:
        first = ExecutionStatus.PENDING if start is ExecutionStatus.PENDING else ExecutionStatus.RUNNING
        record = await executions.create(new_record(status=first))
        if start is not first:
            record = await executions.transition(record, replace(record, status=start))
        if start.may_become(following):
            record = await executions.transition(record, replace(record, status=following))
        else:
            with pytest.raises(ExecutionChangedError):
                await executions.transition(record, replace(record, status=following))
        assert (await read(executions, record)).status == record.status


async def test_the_first_record_of_a_scope_notes_the_scope_and_the_others_cost_nothing_more(storage: Storage) -> None:
    executions = ExecutionStore(storage)
    scopes = ["GLOBAL", SCOPE, "", "ö/'x", "known"]
    for scope in scopes:
        await executions.create(new_record(scope=scope))
        with count_storage_calls() as calls:
            await executions.create(new_record(scope=scope))
        assert calls.total == 1
    assert sorted(await ExecutionStore(storage).scopes()) == sorted(scopes)


async def test_a_record_may_be_stored_for_the_first_time_with_its_end(executions: ExecutionStore) -> None:
    with count_storage_calls() as calls:
        running = new_record(scope="known")
        end = success(execution_id=running.execution_id, logs=[{"seq": 1}])
        record = await executions.create(running.ended(end, "t"))
    assert calls.total == 1
    assert await read(executions, record) == record
    summaries, _ = await executions.list("known", ExecutionFilters(statuses=(ExecutionStatus.SUCCESS,)), limit=10)
    assert [summary.execution_id for summary in summaries] == [record.execution_id]


async def test_a_new_record_is_not_one_that_is_there_nor_one_whose_end_was_asked_for(
    executions: ExecutionStore,
) -> None:
    with pytest.raises(ValueError, match="not recorded"):
        await executions.create(new_record(status=ExecutionStatus.CANCELLING))
    record = await executions.create(new_record())
    with pytest.raises(ExecutionChangedError):
        await executions.create(new_record(execution_id=record.execution_id, form_id="other"))
    assert await read(executions, record) == record


async def test_a_retry_goes_back_to_pending_without_what_the_attempt_left(executions: ExecutionStore) -> None:
    running = await executions.create(new_record(lease_until=NOW))
    again = replace(running, status=ExecutionStatus.PENDING, attempt=2, started_at=None, lease_until=None)
    await executions.transition(running, again)
    found = await read(executions, running)
    assert (found.status, found.attempt, found.started_at, found.lease_until) == (
        ExecutionStatus.PENDING,
        2,
        None,
        None,
    )
    assert found.input_data == running.input_data


async def test_a_renewal_moves_the_lease_and_meets_a_cancellation(executions: ExecutionStore) -> None:
    created = await executions.create(new_record(lease_until=NOW))
    with count_storage_calls() as calls:
        renewed = await executions.renew(created, lease_until=NOW + timedelta(minutes=1), progress={"fraction": 0.5})
    assert calls.total == 1
    found = await read(executions, created)
    assert found == renewed
    assert found.progress == {"fraction": 0.5}
    renewed = await executions.renew(renewed, lease_until=NOW + timedelta(minutes=2))
    found = await read(executions, created)
    assert found == renewed
    assert found.progress == {"fraction": 0.5}
    await executions.transition(found, replace(found, status=ExecutionStatus.CANCELLING))
    with pytest.raises(ExecutionChangedError):
        await executions.renew(renewed, lease_until=NOW)
    with pytest.raises(ExecutionChangedError):
        await executions.finish(renewed, success(execution_id=renewed.execution_id))


def _noise(characters: int) -> str:
    return "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=characters))


async def test_large_payloads_go_to_one_blob_for_each_write(executions: ExecutionStore, storage: Storage) -> None:
    await storage.blobs(CONTAINER).put("warm-up", b"")
    with count_storage_calls() as calls:
        created = await executions.create(new_record(scope="known", input_data={"text": _noise(5 << 20)}))
        finished = await executions.finish(
            created,
            success(
                execution_id=created.execution_id,
                result=_noise(200_000),
                logs=[{"message": _noise(300_000)}],
                variables={"small": 1},
            ),
        )
    assert (calls.tables, calls.blobs) == (2, 2)
    with count_storage_calls() as calls:
        found = await read(executions, created)
    assert (calls.tables, calls.blobs) == (1, 2)
    assert found == finished
    assert found.storage_calls == 4
    in_row = {name for name, place in found.stored.items() if isinstance(place, bytes)}
    assert in_row == {"origin", "variables"}


async def test_a_record_whose_blob_is_gone_is_an_error_and_not_half_a_record(
    executions: ExecutionStore, storage: Storage
) -> None:
    record = await executions.create(new_record(input_data={"text": _noise(200_000)}))
    await storage.blobs(CONTAINER).delete(str(record.stored["input"]))
    with pytest.raises(MissingError, match="is gone"):
        await executions.get(SCOPE, record.execution_id)


async def test_a_record_that_was_never_stored_can_not_go_on(executions: ExecutionStore) -> None:
    with pytest.raises(ValueError, match="neither read nor stored"):
        await executions.finish(new_record(), success())


async def test_what_compresses_well_stays_in_the_row(executions: ExecutionStore) -> None:
    record = new_record(input_data={"text": "again and again " * 50_000})
    with count_storage_calls() as calls:
        await executions.create(record)
        assert (await read(executions, record)).input_data == record.input_data
    assert calls.blobs == 0


async def test_a_crash_between_blob_and_row_leaves_no_record_and_the_next_try_no_second_blob(
    proxy: StorageProxy, proxied: Storage
) -> None:
    executions = ExecutionStore(proxied)
    record = new_record(input_data={"text": _noise(200_000)})
    await executions.create(new_record(input_data={"text": _noise(200_000)}))
    proxy.refuse(lambda exchange: exchange.service == "table")
    with pytest.raises(StorageUnavailableError):
        await executions.create(record)
    proxy.refuse(None)
    assert await executions.get(SCOPE, record.execution_id) is None
    created = await executions.create(record)
    assert await read(executions, created) == created
    puts = [one.url for one in proxy.exchanges if one.service == "blob" and record.execution_id in one.url]
    assert len(set(puts)) == 1


def _is_transaction(exchange: Exchange) -> bool:
    return exchange.service == "table" and "$batch" in exchange.url


async def test_a_write_whose_answer_was_lost_succeeds_and_is_done_once(proxy: StorageProxy, proxied: Storage) -> None:
    executions = ExecutionStore(proxied)
    await executions.create(new_record())

    proxy.lose_an_answer(_is_transaction)
    record = await executions.create(new_record(**PENDING))
    assert await read(executions, record) == record

    proxy.lose_an_answer(_is_transaction)
    record = await executions.claim(record, started_at=NOW, lease_until=NOW)
    assert (await read(executions, record)).etag == record.etag

    proxy.lose_an_answer(lambda exchange: exchange.method in ("PATCH", "MERGE"))
    record = await executions.renew(record, lease_until=NOW + timedelta(minutes=1))
    assert await read(executions, record) == record

    proxy.lose_an_answer(_is_transaction)
    record = await executions.finish(record, success(execution_id=record.execution_id))
    assert await read(executions, record) == record
    assert proxy.answers_lost == 4

    for filters in (ExecutionFilters(), ExecutionFilters(statuses=(ExecutionStatus.SUCCESS,))):
        summaries, _ = await executions.list(SCOPE, filters, limit=10)
        assert sum(one.execution_id == record.execution_id for one in summaries) == 1
    pending, _ = await executions.list(SCOPE, ExecutionFilters(statuses=(ExecutionStatus.PENDING,)), limit=10)
    assert pending == []


async def test_an_end_that_was_written_before_storage_went_is_recognized_when_tried_again(
    proxy: StorageProxy, proxied: Storage
) -> None:
    executions = ExecutionStore(proxied)
    record = await executions.create(new_record())
    end = success()
    for _ in range(3):
        proxy.lose_an_answer(_is_transaction)
    with pytest.raises(StorageUnavailableError):
        await executions.finish(record, end, "token")
    assert (await executions.finish(record, end, "token")).status is ExecutionStatus.SUCCESS
    with pytest.raises(ExecutionChangedError):
        await executions.finish(record, success(execution_id=record.execution_id))


async def test_every_write_is_one_transaction_that_depends_on_the_record_alone(
    proxy: StorageProxy, proxied: Storage
) -> None:
    executions = ExecutionStore(proxied)
    record = await executions.create(new_record())
    proxy.exchanges.clear()
    await executions.finish(record, success(execution_id=record.execution_id))
    (exchange,) = proxy.exchanges
    body = exchange.request_body.decode()
    assert record.etag is not None
    assert body.count(f"If-Match: {record.etag}") == 1
    assert [body.count(f"\r\n{method} http") for method in ("PUT", "DELETE", "POST", "PATCH")] == [4, 1, 0, 0]


async def test_a_row_stays_far_below_the_limits_of_storage_with_all_payloads_at_their_largest(
    executions: ExecutionStore, storage: Storage
) -> None:
    text = _noise(75_000)
    record = await executions.create(new_record(input_data={"t": text}, progress={"t": text}, executed_by_name=text))
    finished = await executions.finish(
        record,
        success(
            execution_id=record.execution_id,
            progress={"t": text},
            result=text,
            logs=[{"t": text}],
            variables={"t": text},
            state_snapshots=[{"t": text}],
            integration_calls=[{"t": text}],
            error_message=text,
        ),
    )
    found = await read(executions, finished)
    assert found == finished
    assert all(isinstance(place, bytes) for place in found.stored.values())
    assert sum(len(place) for place in found.stored.values()) > 400_000
    assert set(found.stored) == set(json.loads(json.dumps(payload_values(found))))
    assert (await storage.table(TABLE).query(SCOPE, above="w:", below="w;", limit=1, select=["RowKey"])).rows
