"""Tables, against Azurite."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.storage import (
    AlreadyExistsError,
    Delete,
    Insert,
    MissingError,
    ModifiedError,
    RefusedError,
    Replace,
    Storage,
    Upsert,
    count_storage_calls,
)
from shared.storage.keys import key_text


async def test_a_row_comes_back_as_it_was_written_whatever_the_types(storage: Storage) -> None:
    values = {"text": "Grüße 'x' /\\#?%", "raw": b"\x00\xff", "yes": True, "count": -7, "share": 0.1}
    etag = await storage.table("Rows").insert("p", "k", {**values, "none": None})
    row = await storage.table("Rows").get("p", "k")
    assert row is not None
    assert (row.key, row.values, row.etag) == ("k", values, etag)


async def test_reading_what_is_not_there_gives_nothing_and_creates_nothing(storage: Storage) -> None:
    table = storage.table("Nowhere")
    with count_storage_calls() as calls:
        assert await table.get("p", "k") is None
        assert (await table.query("p", above="a", below="z", limit=10)).rows == []
    assert calls.tables == 2


async def test_a_missing_table_is_created_by_the_first_write_and_costs_nothing_later(storage: Storage) -> None:
    with count_storage_calls() as first:
        await storage.table("Fresh").insert("p", "1", {})
    with count_storage_calls() as second:
        await storage.table("Fresh").insert("p", "2", {})
    assert (first.tables, second.tables) == (3, 1)


async def test_many_first_writes_at_once_all_succeed(storage: Storage) -> None:
    await asyncio.gather(*(storage.table("Fresh").insert("p", str(number), {}) for number in range(20)))
    page = await storage.table("Fresh").query("p", above="", below="~", limit=1000)
    assert len(page.rows) == 20


async def test_a_key_can_be_inserted_once(storage: Storage) -> None:
    await storage.table("Rows").insert("p", "k", {"by": "one"})
    with pytest.raises(AlreadyExistsError):
        await storage.table("Rows").insert("p", "k", {"by": "two"})


async def test_an_update_needs_the_current_etag(storage: Storage) -> None:
    table = storage.table("Rows")
    old = await table.insert("p", "k", {"a": 1, "b": 1})
    new = await table.update("p", "k", {"b": 2}, old, "merge")
    with pytest.raises(ModifiedError):
        await table.update("p", "k", {"b": 3}, old, "merge")
    await table.update("p", "k", {"c": 4}, new, "replace")
    row = await table.get("p", "k")
    assert row is not None
    assert row.values == {"c": 4}
    with pytest.raises(MissingError):
        await table.update("p", "other", {"b": 3}, new, "merge")


async def test_of_many_updates_with_one_etag_one_succeeds(storage: Storage) -> None:
    table = storage.table("Rows")
    etag = await table.insert("p", "k", {})
    updates = (table.update("p", "k", {"by": number}, etag, "merge") for number in range(10))
    results = await asyncio.gather(*updates, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert sum(isinstance(result, ModifiedError) for result in results) == 9


async def test_a_query_reads_the_keys_between_two_in_order_and_page_by_page(storage: Storage) -> None:
    table = storage.table("Rows")
    await table.transaction("p", [Insert(f"k{number:02}", {"n": number, "other": "x"}) for number in range(30)])
    await table.insert("q", "k10", {"n": -1})
    seen: list[int] = []
    continuation = None
    while True:
        page = await table.query(
            "p", above="k05", below="k25", limit=8, select=["RowKey", "n"], continuation=continuation
        )
        assert all(set(row.values) == {"n"} for row in page.rows)
        seen += [row.values["n"] for row in page.rows]
        continuation = page.continuation
        if continuation is None:
            break
    assert seen == list(range(6, 25))


async def test_a_transaction_is_done_whole_or_not_at_all(storage: Storage) -> None:
    table = storage.table("Rows")
    etags = await table.transaction("p", [Insert("a", {"n": 1}), Insert("b", {"n": 1}), Insert("c", {"n": 1})])
    old = str(etags[0])
    with count_storage_calls() as calls:
        changed = await table.transaction("p", [Replace("a", {"n": 2}, old), Delete("b"), Upsert("d", {"n": 2})])
    assert calls.tables == 1
    assert changed[1] is None
    for wrong, expected in [
        ([Replace("a", {"n": 3}, old), Upsert("c", {"n": 3})], ModifiedError),
        ([Upsert("c", {"n": 3}), Insert("d", {"n": 3})], AlreadyExistsError),
        ([Upsert("c", {"n": 3}), Delete("b")], MissingError),
    ]:
        with pytest.raises(expected):
            await table.transaction("p", wrong)
    rows = (await table.query("p", above="", below="~", limit=10)).rows
    assert [(row.key, row.values["n"]) for row in rows] == [("a", 2), ("c", 1), ("d", 2)]


async def test_deleting_twice_is_no_error(storage: Storage) -> None:
    table = storage.table("Rows")
    await table.insert("p", "k", {})
    await table.delete("p", "k")
    await table.delete("p", "k")
    assert await table.get("p", "k") is None


async def test_what_storage_does_not_take_is_refused_at_once_and_named(storage: Storage) -> None:
    await storage.table("Rows").insert("p", "k", {})
    with count_storage_calls() as calls, pytest.raises(RefusedError, match=r"Storage answered 4\d\d"):
        await storage.table("Rows").insert("p", "long", {"text": "x" * 40_000})
    assert calls.tables == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=30))
async def test_no_text_gets_out_of_its_key(storage: Storage, text: str) -> None:
    table = storage.table("Rows")
    partition = key_text(text)
    await table.transaction("other", [Upsert("k", {"secret": 1})])
    await table.transaction(partition or "empty", [Upsert("k" + key_text(text), {"n": 1})])
    page = await table.query(partition or "empty", above="k", below="l", limit=10)
    assert all("secret" not in row.values for row in page.rows)


@pytest.mark.parametrize("text", ["' or PartitionKey gt '", "'", "''", "x' or '1' eq '1"])
async def test_a_quote_in_a_key_does_not_end_the_filter(storage: Storage, text: str) -> None:
    table = storage.table("Rows")
    await table.insert("other", "k", {"n": 1})
    assert (await table.query(text, above="a", below="z", limit=10)).rows == []
    assert (await table.query("other", above=text, below="a" + text, limit=10)).rows == []
