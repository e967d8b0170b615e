"""Forms over HTTP, from the administrator who makes one to the user who fills it in."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from dev.commands.start import SEED_FORM, offer_form
from tests.support.accounts import StorageAccount
from tests.support.hosted import Client, hosted_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEED: dict[str, Any] = json.loads(SEED_FORM.read_text())
GOOD = {"customer": "Ada", "country": "de", "city": "Berlin"}


def someone(user_id: str, *roles: str) -> dict[str, str]:
    return {"X-Dev-Principal": json.dumps({"user_id": user_id, "name": user_id.title(), "roles": roles})}


async def made(app: Client, **changes: Any) -> dict[str, Any]:
    """A new form: the seed with another name, and with these changes."""
    answer = await app.post("/forms", {**SEED, "name": f"Form {uuid4()}", **changes})
    assert answer.status == 201, answer.body
    return answer.body


async def test_a_form_is_made_read_changed_and_deleted(app: Client):
    created = await app.post("/forms", {**SEED, "name": f"Form {uuid4()}"})
    assert created.status == 201
    form = created.body
    path = f"/forms/{form['id']}"
    assert (created.headers["Location"], form["orgId"], form["createdBy"]) == (f"/api{path}", None, "local-admin")
    assert form["createdAt"].endswith("+00:00")
    read = await app.get(path)
    assert (read.body, read.headers["ETag"]) == (form, created.headers["ETag"])

    body = {**SEED, "name": form["name"], "description": "Changed"}
    changed = await app.call("PUT", f"/api{path}", body, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status, changed.body["description"]) == (200, "Changed")
    assert changed.body["createdAt"] == form["createdAt"] < changed.body["updatedAt"]
    assert changed.headers["ETag"] != read.headers["ETag"]
    # What was read can be sent back; what only the platform decides changes nothing.
    again = await app.call("PUT", f"/api{path}", {**changed.body, "description": "Again", "createdBy": "somebody"})
    assert (again.status, again.body["description"], again.body["createdBy"]) == (200, "Again", "local-admin")
    assert (await app.call("PUT", f"/api{path}", {**changed.body, "colour": "red"})).status == 400

    assert (await app.call("DELETE", f"/api{path}")).status == 204
    assert (await app.get(path)).status == 404
    assert (await app.call("DELETE", f"/api{path}")).status == 404
    assert form["id"] not in [each["id"] for each in (await app.get("/forms")).body]
    # Its name is free again.
    assert (await app.post("/forms", body)).status == 201


async def test_a_stale_write_is_refused_and_changes_nothing(app: Client):
    form = await made(app)
    path = f"/api/forms/{form['id']}"
    stale = {"If-Match": (await app.call("GET", path)).headers["ETag"]}
    body = {**SEED, "name": form["name"]}
    assert (await app.call("PUT", path, {**body, "description": "first"}, headers=stale)).status == 200
    for method, content in (("PUT", {**body, "description": "second"}), ("DELETE", None)):
        refused = await app.call(method, path, content, headers=stale)
        assert (refused.status, refused.body["error"]) == (412, "PreconditionFailed")
    assert (await app.call("GET", path)).body["description"] == "first"
    assert (await app.call("PUT", path, body, headers={"If-Match": "*"})).status == 200
    assert (await app.call("PUT", path, body)).status == 200


async def test_of_many_who_change_one_version_one_succeeds(app: Client):
    form = await made(app)
    path = f"/api/forms/{form['id']}"
    known = {"If-Match": (await app.call("GET", path)).headers["ETag"]}
    bodies = [{**SEED, "name": form["name"], "description": str(number)} for number in range(8)]
    answers = await asyncio.gather(*(app.call("PUT", path, body, headers=known) for body in bodies))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7


async def test_two_forms_cannot_have_one_name(app: Client):
    form = await made(app)
    answer = await app.post("/forms", {**SEED, "name": form["name"].upper()})
    assert (answer.status, answer.body["error"]) == (409, "Conflict")


async def test_what_a_form_says_must_be_true(app: Client):
    field = {"name": "city", "type": "select", "dataProvider": "cities"}
    wrong = {
        **SEED,
        "name": "Wrong",
        "linkedWorkflow": "hello",
        "launchWorkflowId": "countries",
        "formSchema": {
            "fields": [
                {"name": "name", "type": "text", "validation": {"pattern": "("}},
                {"name": "language", "type": "radio"},
                {**field, "visibilityExpression": "language =="},
                {**field, "name": "other", "dataProvider": "nothing"},
            ]
        },
    }
    answer = await app.post("/forms", wrong)
    assert (answer.status, answer.body["error"]) == (400, "ValidationError")
    fields = ["body", "formSchema", "fields"]
    wrong_places = [error["loc"] for error in answer.body["details"]["errors"]]
    assert sorted(wrong_places, key=str) == [
        [*fields, 0, "validation", "pattern"],
        [*fields, 1, "options"],
        [*fields, 2, "dataProviderInputs", "country"],
        [*fields, 2, "name"],
        [*fields, 2, "visibilityExpression"],
        [*fields, 3, "dataProvider"],
        [*fields, 3, "name"],
        ["body", "launchWorkflowId"],
    ]


async def test_dropdowns_that_wait_for_each_other_are_refused_with_their_names(app: Client):
    def depends(name: str, on: str) -> dict[str, Any]:
        inputs = {"country": {"mode": "fieldRef", "fieldName": on}}
        return {"name": name, "type": "select", "dataProvider": "cities", "dataProviderInputs": inputs}

    fields = [depends("country", "city"), depends("city", "country")]
    answer = await app.post("/forms", {**SEED, "name": "Circle", "formSchema": {"fields": fields}})
    assert answer.status == 400
    assert "country → city → country" in answer.body["message"]


async def test_users_read_and_only_administrators_write(app: Client, user: dict[str, str]):
    form = await made(app)
    nobody = {"X-Dev-Principal": "anonymous"}
    path = f"/forms/{form['id']}"
    assert form["id"] in [each["id"] for each in (await app.get("/forms", headers=user)).body]
    assert (await app.get(path, headers=user)).status == 200
    assert (await app.get(path, headers=nobody)).status == 401
    for who, status in ((user, 403), (nobody, 401)):
        assert (await app.post("/forms", SEED, headers=who)).status == status
        assert (await app.call("PUT", f"/api{path}", SEED, headers=who)).status == status
        assert (await app.call("DELETE", f"/api{path}", headers=who)).status == status


async def test_for_those_without_its_role_a_form_is_not_there(app: Client):
    form = await made(app, isPublic=False, roles=["Dispatch", "Sales"])
    member, other = someone("member", "Sales"), someone("other", "Finance")
    path = f"/forms/{form['id']}"
    assert (await app.post(f"{path}/execute", {"formData": GOOD}, headers=member)).status == 200
    assert form["id"] not in [each["id"] for each in (await app.get("/forms", headers=other)).body]
    calls: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("POST", f"{path}/execute", {"formData": GOOD}),
        ("GET", f"{path}/startup", None),
        ("POST", f"{path}/options", {}),
        ("POST", f"{path}/data-providers/countries", {}),
        ("POST", f"{path}/files/upload-url", {"file_name": "a", "content_type": "b", "file_size": 1}),
    ]
    for method, where, body in calls:
        hidden = await app.call(method, f"/api{where}", body, headers=other)
        unknown = await app.call(method, f"/api{where.replace(form['id'], str(uuid4()))}", body, headers=other)
        assert (hidden.status, hidden.body) == (404, unknown.body), where


async def test_a_form_that_is_not_active_is_for_administrators_to_see(app: Client, user: dict[str, str]):
    form = await made(app, isActive=False)
    path = f"/forms/{form['id']}"
    assert (await app.get(path, headers=user)).status == 404
    assert (await app.get(path)).status == 200
    assert (await app.post(f"{path}/execute", {"form_data": GOOD})).status == 409


async def test_a_user_submits_a_form_whose_workflow_they_could_not_call(app: Client):
    form, ada = await made(app), someone("ada")
    answer = await app.post(f"/forms/{form['id']}/execute", {"form_data": GOOD}, headers=ada)
    assert answer.status == 200
    assert answer.body["status"] == "Success"
    assert answer.body["result"] == {"customer": "Ada", "to": "Berlin, DE", "days": 3, "call": None}
    assert answer.body["logs"] is None
    record = (await app.get(f"/executions/{answer.body['executionId']}", headers=ada)).body
    assert (record["formId"], record["workflowName"], record["executedBy"]) == (form["id"], "order_delivery", "ada")
    refused = await app.post("/workflows/order_delivery/execute", {"inputData": GOOD}, headers=ada)
    assert refused.status == 403


async def test_a_choice_must_be_among_the_current_options(app: Client, user: dict[str, str]):
    form = await made(app)
    for wrong in ({"city": "Paris"}, {"country": "fr"}, {"city": "Atlantis"}):
        answer = await app.post(f"/forms/{form['id']}/execute", {"formData": {**GOOD, **wrong}}, headers=user)
        assert (answer.status, answer.body["error"]) == (400, "ValidationError")
        assert [error["loc"] for error in answer.body["details"]["errors"]] == [["body", "form_data", "city"]]


async def test_each_wrong_field_is_named(app: Client, user: dict[str, str]):
    form = await made(app)
    data = {"customer": "x" * 81, "country": "de", "express": "perhaps", "more": 1}
    answer = await app.post(f"/forms/{form['id']}/execute", {"formData": data}, headers=user)
    assert answer.status == 400
    assert {error["loc"][-1] for error in answer.body["details"]["errors"]} == {"customer", "city", "express", "more"}


async def test_a_hidden_field_is_neither_required_nor_passed_on(app: Client, user: dict[str, str]):
    path = f"/forms/{(await made(app))['id']}/execute"
    hidden = await app.post(path, {"formData": {**GOOD, "phone": "123"}}, headers=user)
    assert hidden.body["result"]["call"] is None
    shown = await app.post(path, {"formData": {**GOOD, "express": True}}, headers=user)
    assert [error["loc"][-1] for error in shown.body["details"]["errors"]] == ["phone"]
    filled = await app.post(path, {"formData": {**GOOD, "express": True, "phone": "123"}}, headers=user)
    assert filled.body["result"] == {"customer": "Ada", "to": "Berlin, DE", "days": 1, "call": "123"}


async def test_a_cascade_is_one_call(app: Client, user: dict[str, str]):
    path = f"/forms/{(await made(app))['id']}/options"
    begin = (await app.post(path, {}, headers=user)).body["fields"]
    assert [(field["name"], field["state"], field["waitingFor"]) for field in begin] == [
        ("country", "ready", []),
        ("city", "waiting", ["country"]),
    ]
    data = {"country": "fr", "city": "Berlin"}
    changed = (await app.post(path, {"form_data": data, "changed": ["country"]}, headers=user)).body["fields"]
    assert [(field["name"], field["state"], field["valueFits"]) for field in changed] == [("city", "ready", False)]
    assert [option["value"] for option in changed[0]["options"]] == ["Bordeaux", "Lyon", "Marseille", "Paris"]


async def test_a_provider_answers_as_the_form_binds_it(app: Client, user: dict[str, str]):
    path = f"/forms/{(await made(app))['id']}/data-providers"
    by_form = await app.post(f"{path}/cities", {"formData": {"country": "at"}}, headers=user)
    by_inputs = await app.post(f"{path}/cities", {"inputs": {"country": "at"}}, headers=user)
    assert by_form.body["options"] == by_inputs.body["options"]
    assert set(by_form.body) == {"provider", "options", "cached", "cache_expires_at", "stale"}
    searched = await app.post(
        f"{path}/cities", {"formData": {"country": "at"}, "inputs": {"search": "z", "limit": 2}}, headers=user
    )
    assert [option["value"] for option in searched.body["options"]] == ["Graz", "Linz"]
    waiting = await app.post(f"{path}/cities", {}, headers=user)
    assert (waiting.status, waiting.body["details"]["errors"][0]["loc"]) == (400, ["body", "form_data", "country"])
    assert (await app.post(f"{path}/licences", {}, headers=user)).status == 404
    past_the_cache = {"formData": {"country": "at"}, "noCache": True}
    assert (await app.post(f"{path}/cities", past_the_cache, headers=user)).status == 403
    assert (await app.post(f"{path}/cities", past_the_cache)).status == 200


async def test_static_inputs_come_from_the_form_whatever_is_sent(app: Client, user: dict[str, str]):
    field = {
        "name": "city",
        "type": "select",
        "dataProvider": "cities",
        "dataProviderInputs": {"country": {"mode": "static", "value": "at"}},
    }
    others = [{"name": name, "type": "text"} for name in ("customer", "country")]
    form = await made(app, formSchema={"fields": [field, *others]})
    path = f"/forms/{form['id']}/data-providers/cities"
    answer = await app.post(path, {"inputs": {"country": "de"}, "formData": {"country": "de"}}, headers=user)
    assert answer.body["options"][0]["value"] == "Graz"


async def test_start_up_takes_defaults_then_values_then_allowed_query_parameters(app: Client):
    form, ada = await made(app), someone("ada")
    path = f"/forms/{form['id']}/startup"
    assert (await app.get(path, headers=ada)).body == {"result": {"customer": "Ada", "country": "de"}}
    by_value = await app.post(path, {"formData": {"country": "fr", "city": "Paris"}}, headers=ada)
    assert by_value.body["result"]["country"] == "fr"
    by_query = await app.post(path, {"form_data": {"country": "fr"}}, country="at", customer="Eve", headers=ada)
    assert by_query.body["result"] == {"customer": "Ada", "country": "at"}
    closed = await made(app, allowedQueryParams=[])
    ignored = await app.get(f"/forms/{closed['id']}/startup", country="at", headers=ada)
    assert ignored.body["result"]["country"] == "de"
    without = await made(app, launchWorkflowId=None, defaultLaunchParams={})
    assert (await app.get(f"/forms/{without['id']}/startup", headers=ada)).body == {"result": None}


async def test_a_submission_made_again_with_its_key_runs_once(app: Client):
    path = f"/forms/{(await made(app))['id']}/execute"
    headers = {**someone("ada"), "Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(app.post(path, {"formData": GOOD}, headers=headers) for _ in range(5)))
    assert len({answer.body["executionId"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    other = await app.post(path, {"formData": {**GOOD, "city": "Munich"}}, headers=headers)
    assert other.status == 409


async def test_an_async_workflow_answers_202(app: Client, user: dict[str, str]):
    fields = [{"name": "lines", "type": "select", "multiple": True, "options": [{"label": "One", "value": "a;1"}]}]
    form = await made(
        app,
        linkedWorkflow="import_orders",
        launchWorkflowId=None,
        defaultLaunchParams={},
        formSchema={"fields": fields},
    )
    answer = await app.post(f"/forms/{form['id']}/execute", {"formData": {"lines": ["a;1"]}}, headers=user)
    assert (answer.status, answer.body["status"]) == (202, "Pending")
    assert answer.headers["Location"] == answer.body["links"]["self"]
    execution, _ = await app.until_ended(answer.body["executionId"])
    assert (execution["result"]["imported"], execution["formId"]) == (1, form["id"])


async def test_files_are_not_taken_by_a_form_without_a_field_for_them(app: Client, user: dict[str, str]):
    body = {"file_name": "a.txt", "content_type": "text/plain", "file_size": 5}
    answer = await app.post(f"/forms/{(await made(app))['id']}/files/upload-url", body, headers=user)
    assert answer.status == 400


async def test_a_file_goes_straight_to_storage_and_its_description_to_the_workflow(app: Client, user: dict[str, str]):
    fields = [{"name": "document", "type": "file", "required": True, "allowedTypes": ["text/*"], "maxSizeMB": 0.001}]
    form = await made(
        app,
        linkedWorkflow="take_document",
        launchWorkflowId=None,
        defaultLaunchParams={},
        formSchema={"fields": fields},
    )
    path = f"/forms/{form['id']}"
    body = {"file_name": "My notes.txt", "content_type": "text/plain", "file_size": 5}
    asked = await app.post(f"{path}/files/upload-url", body, headers=user)
    assert set(asked.body) == {"upload_id", "upload_url", "blob_uri", "expires_at"}
    upload_id = asked.body["upload_id"]
    assert f"/uploads/GLOBAL/{form['id']}/{upload_id}/" in asked.body["blob_uri"]
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
    async with aiohttp.ClientSession() as session:
        async with session.put(asked.body["upload_url"], data=b"hello", headers=headers) as answer:
            assert answer.status == 201
        async with session.get(asked.body["upload_url"]) as answer:
            assert answer.status == 403
    submitted = await app.post(f"{path}/execute", {"form_data": {"document": upload_id}}, headers=user)
    assert submitted.body["result"] == {
        "uploadId": upload_id,
        "name": "My notes.txt",
        "contentType": "text/plain",
        "size": 5,
        "blobUri": asked.body["blob_uri"],
    }


async def test_a_new_app_is_offered_a_form_once(storage_account: StorageAccount, user: dict[str, str]):
    async with hosted_app(storage_account.connection_string) as hosted:
        app = hosted.client
        form_id = await asyncio.to_thread(offer_form, app.url)
        assert await asyncio.to_thread(offer_form, app.url) is None
        assert [form["id"] for form in (await app.get("/forms", headers=user)).body] == [form_id]
        answer = await app.post(f"/forms/{form_id}/execute", {"formData": GOOD}, headers=user)
        assert answer.body["status"] == "Success"
