"""Dropdowns over HTTP, as a front end fills them."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.accounts import StorageAccount
from tests.support.hosted import Client, hosted_app

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_dropdown_is_filled_and_the_second_time_from_the_cache(app: Client, user: dict[str, str]):
    first = await app.get("/data-providers/countries", headers=user)
    assert first.status == 200
    assert first.body["provider"] == "countries"
    assert first.body["options"][0] == {"label": "Austria", "value": "at", "metadata": None}
    second = await app.post("/data-providers/countries", {}, headers=user)
    assert set(second.body) == {"provider", "options", "cached", "cache_expires_at", "stale"}
    assert (second.body["cached"], second.body["stale"]) == (True, False)
    assert second.body["cache_expires_at"].endswith("+00:00")
    assert second.body["options"] == first.body["options"]


async def test_inputs_come_in_the_body_or_in_the_query(app: Client, user: dict[str, str]):
    by_body = await app.post("/data-providers/cities", {"inputs": {"country": "de", "limit": 2}}, headers=user)
    assert [option["value"] for option in by_body.body["options"]] == ["Berlin", "Cologne"]
    by_query = await app.get("/data-providers/cities", country="de", limit=2, headers=user)
    assert (by_query.body["options"], by_query.body["cached"]) == (by_body.body["options"], True)
    both = await app.get("/data-providers/cities", inputs='{"country": "fr", "limit": "2"}', country="de", headers=user)
    assert (both.body["options"], both.body["cached"]) == (by_body.body["options"], True)


async def test_wrong_inputs_are_named(app: Client):
    answer = await app.post("/data-providers/cities", {"inputs": {"limit": 0, "colour": "red"}})
    assert (answer.status, answer.body["error"]) == (400, "ValidationError")
    assert [error["loc"] for error in answer.body["details"]["errors"]] == [["country"], ["limit"], ["colour"]]
    for query in ("no json", "[1]", "5"):
        answer = await app.get("/data-providers/cities", inputs=query)
        assert (answer.status, answer.body["details"]["errors"][0]["loc"]) == (400, ["query", "inputs"])


async def test_a_provider_that_refuses_says_why(app: Client, user: dict[str, str]):
    answer = await app.get("/data-providers/cities", country="xx", headers=user)
    assert answer.status == 502
    assert answer.body == {"error": "ProviderFailed", "message": "We do not deliver to 'xx'", "details": None}
    details = (await app.get("/data-providers/cities", country="xx")).body["details"]
    assert details["errorType"] == "UserError"


async def test_administrators_can_ask_past_the_cache(app: Client, user: dict[str, str]):
    await app.get("/data-providers/licences")
    for answer in (
        await app.post("/data-providers/licences", {"noCache": True}),
        await app.get("/data-providers/licences", noCache="true"),
    ):
        assert (answer.status, answer.body["cached"]) == (200, False)
    refused = await app.post("/data-providers/licences", {"noCache": True}, headers=user)
    assert (refused.status, refused.body["error"]) == (403, "Forbidden")


async def test_who_may_ask(app: Client, user: dict[str, str]):
    nobody = {"X-Dev-Principal": "anonymous"}
    assert (await app.get("/data-providers", headers=nobody)).status == 401
    assert (await app.get("/data-providers/countries", headers=nobody)).status == 401
    assert (await app.get("/data-providers/departments", headers=user)).status == 403
    assert (await app.get("/data-providers/departments")).status == 200
    for name in ("hello", "nothing"):
        assert (await app.get(f"/data-providers/{name}", headers=user)).status == 404
    assert (await app.call("DELETE", "/api/data-providers/countries")).status == 405


async def test_the_list_is_for_all_users(app: Client, user: dict[str, str]):
    listed = (await app.get("/data-providers", headers=user)).body
    assert set(listed) == {"providers"}
    found = {provider["name"]: provider for provider in listed["providers"]}
    assert {"countries", "cities", "departments", "licences"} <= set(found)
    assert set(found["cities"]) == {"name", "description", "category", "cache_ttl_seconds", "parameters"}
    assert found["cities"]["parameters"][0]["dataProvider"] == "countries"
    assert json.dumps(found["cities"]["cache_ttl_seconds"]) in ("3600", "3600.0")


async def test_many_who_ask_at_once_all_get_the_options(app: Client, user: dict[str, str]):
    asked = [app.get("/data-providers/cities", country="at", search="z", headers=user) for _ in range(50)]
    answers = await asyncio.gather(*asked)
    assert {tuple(option["value"] for option in answer.body["options"]) for answer in answers} == {
        ("Graz", "Linz", "Salzburg")
    }


async def test_no_call_leaves_a_record(app: Client, user: dict[str, str]):
    caller = {"X-Dev-Principal": '{"user_id": "asks-only", "roles": []}'}
    await app.get("/data-providers/licences", minimum_seats=7, headers=caller)
    assert (await app.get("/executions", headers=caller)).body["executions"] == []


async def test_two_instances_on_one_storage_share_their_answers(storage_account: StorageAccount):
    connection = storage_account.connection_string
    async with hosted_app(connection) as one, hosted_app(connection) as other:
        first = await one.client.get("/data-providers/cities", country="at")
        second = await other.client.get("/data-providers/cities", country="at")
    assert (first.body["cached"], second.body["cached"]) == (False, True)
    assert second.body["cache_expires_at"] == first.body["cache_expires_at"]
