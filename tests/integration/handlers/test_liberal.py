"""Liberal in what it takes: null, query parameters that nobody knows, and filters as people write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared.handlers.services import get_services
from shared.models.base import ListQuery
from shared.models.executions import ExecutionStatus
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.calls import Called, app_routes, call
from tests.support.executions import new_record

App = Callable[[], Storage]


@pytest.fixture
def local(app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """The app as on a developer's machine, where every caller is an administrator."""
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    return app


async def executed(**body: object) -> Called:
    return await call("workflows_execute", body=body)


async def test_a_body_full_of_nulls_is_run_as_if_they_were_not_there(local: App):
    nulls = dict.fromkeys(("code", "scriptName", "formId", "transient"))
    answer = await executed(workflowName="add", inputData={"a": 1}, **nulls)
    assert (answer.status, answer.body["result"]) == (200, {"sum": 2})
    made = await call("workflow_keys_create", body={"workflowId": None, "description": None, "disableGlobalKey": None})
    assert (made.status, made.body["description"], made.body["disableGlobalKey"]) == (201, "", False)


async def test_null_inside_the_input_is_a_value_and_not_given_there(local: App):
    refused = await executed(workflowName="add", inputData={"a": None})
    assert (refused.status, refused.body["details"]["errors"][0]["loc"]) == (400, ["a"])
    assert (await executed(workflowName="add", inputData={"a": 1, "b": None})).body["result"] == {"sum": 2}
    script = "cmVzdWx0ID0gdmFsdWUgaXMgTm9uZQ=="  # result = value is None
    assert (await executed(code=script, inputData={"value": None})).body["variables"] == {"result": True}


async def test_in_a_change_null_takes_the_value_away_and_what_is_left_out_stays(local: App):
    made = await call("organizations_create", body={"id": "acme", "name": "Acme", "domain": "acme.example"})
    assert (made.status, made.body["domain"]) == (201, "acme.example")
    kept = await call("organizations_update", {"orgId": "acme"}, body={"isActive": False})
    assert (kept.body["domain"], kept.body["isActive"]) == ("acme.example", False)
    cleared = await call("organizations_update", {"orgId": "acme"}, body={"domain": None})
    assert (cleared.body["domain"], cleared.body["isActive"]) == (None, False)
    assert (await call("organizations_update", {"orgId": "acme"}, body={"name": None})).status == 400


async def test_a_call_that_is_made_again_with_null_for_what_it_left_out_is_the_same_call(local: App):
    key = {"idempotency-key": "once"}
    body = {"workflowName": "add", "inputData": {"a": 1}}
    first = await call("workflows_execute", headers=key, body=body)
    again = await call("workflows_execute", headers=key, body={**body, "formId": None, "transient": None})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body["executionId"] == first.body["executionId"]


async def test_a_list_refuses_a_filter_that_it_does_not_have_and_names_those_it_has(local: App):
    known = {
        "executions_list": "workflowName, status, startDate, endDate, limit, continuationToken",
        "audit_list": "limit, continuationToken",
        "workflow_keys_list": "workflowId, includeRevoked",
    }
    assert {name for name, route in app_routes().items() if issubclass(route.query, ListQuery)} == set(known)
    for name, names in known.items():
        answer = await call(name, query={"limitt": "5"})
        assert (answer.status, answer.body["error"]) == (400, "ValidationError"), name
        assert answer.body["details"]["errors"][0]["loc"] == ["query", "limitt"]
        assert names in answer.body["message"]
        assert names in answer.body["details"]["errors"][0]["msg"]


@pytest.mark.parametrize("name", ["executions_list", "audit_list", "workflow_keys_list", "organizations_list"])
async def test_what_browsers_and_campaigns_add_to_an_address_is_left_out(local: App, name: str):
    query = {"_": "1770000000", "code": "azure", "utm_source": "mail", "utm_campaign": "spring"}
    assert (await call(name, query=query)).status == 200


async def test_elsewhere_an_unknown_query_parameter_is_left_out(local: App):
    await call("config_set", body={"key": "region", "value": "north"})
    assert (await call("config_delete", {"key": "region"}, query={"reason": "old"})).status == 204
    ran = (await executed(workflowName="add", inputData={"a": 1})).body["executionId"]
    logs = await call("executions_logs", {"executionId": ran}, query={"after": "0", "verbose": "1"})
    assert (logs.status, len(logs.body["logs"])) == (200, 1)
    assert (await call("workflows_list", query={"page": "2"})).status == 200


async def statuses(**query: str) -> list[str]:
    answer = await call("executions_list", query=query)
    assert answer.status == 200, answer.body
    return sorted(found["status"] for found in answer.body["executions"])


async def test_a_status_is_found_whatever_its_case_and_several_by_commas(local: App):
    await executed(workflowName="add", inputData={"a": 1})
    await executed(workflowName="fails")
    await executed(workflowName="add_later", inputData={"a": 1})
    assert await statuses(status="success") == ["Success"]
    assert await statuses(status="FAILED,pending") == ["Failed", "Pending"]
    assert await statuses(status=" Failed , Success,") == ["Failed", "Success"]
    assert await statuses(status="Failed,Failed") == ["Failed"]
    assert await statuses(status="Failed,Success", workflowName="fails") == ["Failed"]
    assert await statuses(status=",".join(ExecutionStatus)) == ["Failed", "Pending", "Success"]


async def test_an_unknown_status_is_refused_and_all_statuses_are_named(local: App):
    assert (await call("executions_list", query={"status": ","})).status == 400
    answer = await call("executions_list", query={"status": "Failed,Done"})
    assert answer.status == 400
    (error,) = answer.body["details"]["errors"]
    assert error["loc"] == ["query", "status"]
    assert "'Done'" in error["msg"]
    assert all(str(status) in error["msg"] for status in ExecutionStatus)


async def test_a_time_without_offset_is_utc_and_a_date_alone_is_the_whole_day(local: App):
    for moment in ("2026-02-28T23:59:59.999999", "2026-03-01T00:00:00", "2026-03-01T23:59:59.999999", "2026-03-02"):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        await get_services().executions.create(new_record(scope="GLOBAL", at=at, workflow_name=f"at {at:%d %H}"))

    async def found(**query: str) -> list[str]:
        answer = await call("executions_list", query=query)
        assert answer.status == 200, answer.body
        return [each["workflowName"] for each in answer.body["executions"]]

    assert await found(startDate="2026-03-01T00:00:00", endDate="2026-03-01T00:00:00") == ["at 01 00"]
    assert await found(startDate="2026-03-01T01:00:00+01:00", endDate="2026-03-01T00:00:00Z") == ["at 01 00"]
    assert await found(startDate="2026-03-01", endDate="2026-03-01") == ["at 01 23", "at 01 00"]
    assert await found(startDate="2026-03-01") == ["at 02 00", "at 01 23", "at 01 00"]
    assert await found(endDate="2026-02-28") == ["at 28 23"]
    assert await found(startDate="1772323200", endDate="1772323200") == ["at 01 00"]
    for wrong in ("yesterday", "2026-02-30", "2026-13-01", "26-03-01"):
        assert (await call("executions_list", query={"startDate": wrong})).status == 400


@pytest.mark.parametrize("name", ["executions_list", "audit_list"])
async def test_a_limit_above_its_maximum_is_the_maximum_and_one_below_1_is_refused(local: App, name: str):
    for limit in ("1001", "99999999999999999999999999"):
        assert (await call(name, query={"limit": limit})).status == 200
    for limit in ("0", "-1", "many", "1.5"):
        answer = await call(name, query={"limit": limit})
        assert (answer.status, answer.body["details"]["errors"][0]["loc"]) == (400, ["query", "limit"])
    model = app_routes()[name].query
    assert model.model_validate({"limit": "1001"}).model_dump()["limit"] == 1000


CODE = "cHJpbnQoMSk="


@pytest.mark.parametrize(
    "name",
    [
        "Übersicht für März",
        "月次レポート",
        "a/b:c*?<x>",
        "👩‍💻 check",
        "  spaced  ",
        "'; DROP --",
        "x" * 80,
        "a\u3000b",
    ],
)
async def test_a_script_may_have_any_printable_name(local: App, name: str):
    ran = await executed(code=CODE, scriptName=name)
    assert (ran.status, ran.body["status"]) == (200, "Success")
    shown = await call("executions_get", {"executionId": ran.body["executionId"]})
    assert shown.body["workflowName"] == name
    listed = await call("executions_list", query={"workflowName": name})
    assert [each["executionId"] for each in listed.body["executions"]] == [ran.body["executionId"]]


@pytest.mark.parametrize(
    "name", ["", "x" * 81, "a\nb", "a\tb", "\x00", "a\x1b[31m", "a\x7f", "a\x85b", "a\u2028b", "a\u202eb", "a\u2066b"]
)
async def test_a_script_name_with_control_characters_or_too_long_is_refused(local: App, name: str):
    refused = await executed(code=CODE, scriptName=name)
    assert (refused.status, refused.body["details"]["errors"][0]["loc"]) == (400, ["body", "scriptName"])
