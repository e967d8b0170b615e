"""Wrong calls get an answer that says what is wrong, and where."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.hosted import Answer, Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXECUTE = "/workflows/execute"


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert (answer.status, answer.body["error"]) == (status, code), answer.body
    assert set(answer.body) == {"error", "message", "details"}
    assert answer.headers["Content-Type"] == "application/json"
    return answer.body


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{not json", "no JSON"),
        (b'{"a": NaN}', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"workflowName": "hello", "inputData": {"name": [1e999]}}', "too large"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "not an array"),
        (b'"text"', "not a string"),
        (b"null", "not null"),
    ],
)
async def test_a_body_that_is_no_json_object_is_a_bad_request(app: Client, raw: bytes, message: str):
    headers = {"Content-Type": "application/json"}
    body = refused(await app.post(EXECUTE, raw=raw, headers=headers), 400, "BadRequest")
    assert message in body["message"]


async def test_a_body_that_can_not_be_read_as_json_says_what_is_taken(app: Client):
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"):
        answer = await app.post(EXECUTE, raw=b"workflowName=hello", headers={"Content-Type": kind})
        assert "application/json" in refused(answer, 415, "UnsupportedMediaType")["message"]
    answer = await app.post(EXECUTE, raw=b"{}", headers={"Content-Encoding": "br"})
    refused(answer, 415, "UnsupportedMediaType")
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"


async def test_a_body_in_chunks_is_refused_as_azures_host_drops_it(app: Client):
    for target in (EXECUTE, "/endpoints/ticket_webhook", "/data-providers/cities", "/forms/any/execute"):
        body = refused(await app.post(target, {"ticket": 1}, chunked=True), 411, "LengthRequired")
        assert "Content-Length" in body["message"]


async def test_an_empty_body_names_nothing_to_run(app: Client):
    body = refused(await app.post(EXECUTE), 400, "BadRequest")
    assert "workflowName" in body["message"]


async def test_an_unknown_workflow_is_not_found(app: Client):
    body = refused(await app.post(EXECUTE, {"workflowName": "nobody"}), 404, "NotFound")
    assert "'nobody'" in body["message"]


async def test_input_data_may_be_left_out_or_null(app: Client):
    for call in ({"workflowName": "departments"}, {"workflowName": "departments", "inputData": None}):
        assert (await app.post(EXECUTE, call)).body["status"] == "Success"


async def test_every_wrong_parameter_is_named_in_one_answer(app: Client):
    call = {"workflowName": "hello", "inputData": {"language": "xx", "extra": 1}}
    body = refused(await app.post(EXECUTE, call), 400, "ValidationError")
    errors = {error["loc"][0]: error["type"] for error in body["details"]["errors"]}
    assert errors == {"name": "missing", "language": "enum", "extra": "unknown_parameter"}


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"inputData": []}, "inputData"),
        ({"workflowName": 5}, "workflowName"),
        ({"scriptName": "a\nb", "code": "eA=="}, "scriptName"),
        ({"scriptName": "x" * 81, "code": "eA=="}, "scriptName"),
        ({"transient": "perhaps"}, "transient"),
        ({"workflow": "hello"}, "workflow"),
    ],
)
async def test_a_wrong_field_of_the_body_is_named(app: Client, fields: dict[str, Any], loc: str):
    body = refused(await app.post(EXECUTE, {"workflowName": "hello", **fields}), 400, "ValidationError")
    assert body["details"]["errors"][0]["loc"] == ["body", loc]
    assert set(body["details"]["errors"][0]) == {"loc", "type", "msg"}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("%%%", "no base64"),
        (base64.b64encode(b"\xff\xfe").decode(), "no UTF-8"),
        (base64.b64encode(b"x = 1\nif x\n    y").decode(), "line 2"),
    ],
)
async def test_code_that_is_none_says_why(app: Client, code: str, message: str):
    body = refused(await app.post(EXECUTE, {"code": code}), 400, "ValidationError")
    assert message in body["message"]


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"limit": "abc"}, "limit"),
        ({"limit": 0}, "limit"),
        ({"status": "Done"}, "status"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"limitt": 5}, "limitt"),
    ],
)
async def test_a_wrong_query_parameter_is_named(app: Client, query: dict[str, Any], loc: str):
    body = refused(await app.get("/executions", **query), 400, "ValidationError")
    assert body["details"]["errors"][0]["loc"] == ["query", loc]


async def test_an_unknown_continuation_token_is_a_bad_request(app: Client):
    body = refused(await app.get("/executions", continuationToken="nonsense"), 400, "BadRequest")
    assert "continuationToken" in body["message"]


async def test_a_body_of_20_mib_is_too_large(app: Client):
    body = refused(await app.post(EXECUTE, raw=b" " * (20 << 20)), 413, "PayloadTooLarge")
    assert str(10 << 20) in body["message"]


@pytest.mark.parametrize("part", ["", "/result", "/logs", "/variables"])
async def test_an_unknown_execution_is_not_found(app: Client, part: str):
    refused(await app.get(f"/executions/01a208e8-207f-7dec-923b-02a182093ae8{part}"), 404, "NotFound")
    refused(await app.get(f"/executions/nonsense{part}"), 404, "NotFound")


async def test_an_unknown_address_is_not_found(app: Client):
    refused(await app.get("/nothing/here"), 404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("DELETE", "/api/workflows", "GET"), ("GET", "/api/workflows/execute", "POST"), ("PUT", "/api/health", "GET")],
)
async def test_a_wrong_method_is_told_which_ones_are_right(app: Client, method: str, path: str, allow: str):
    answer = await app.call(method, path)
    refused(answer, 405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allow


async def test_nobody_is_unauthorized_and_a_user_may_not_run_workflows(app: Client, user: dict[str, str]):
    nobody = {"X-Dev-Principal": "anonymous"}
    refused(await app.get("/workflows", headers=nobody), 401, "Unauthorized")
    refused(await app.post(EXECUTE, {"workflowName": "hello"}, headers=user), 403, "Forbidden")
    assert (await app.get("/workflows", headers=user)).status == 200
    assert (await app.get("/health", headers=nobody)).body["details"] is None


@pytest.mark.parametrize(
    "header", ["{}", "no json", '{"user_id": ""}', '{"user_id": "x", "roles": 5}', '{"a": ' * 5000]
)
async def test_an_identity_that_can_not_be_read_is_a_bad_request(app: Client, header: str):
    answer = await app.get("/workflows", headers={"X-Dev-Principal": header})
    refused(answer, 400, "BadRequest")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_foreign_web_page_can_not_reach_a_developers_app(app: Client, headers: dict[str, str]):
    code = base64.b64encode(b"x = 1").decode()
    refused(await app.post(EXECUTE, {"code": code}, headers=headers), 403, "Forbidden")


async def test_an_organization_that_does_not_exist_is_not_found(app: Client, user: dict[str, str]):
    refused(await app.get("/executions", headers={"X-Organization-Id": "acme"}), 404, "NotFound")
    refused(await app.get("/executions", headers={"X-Organization-Id": "acme", **user}), 403, "Forbidden")
