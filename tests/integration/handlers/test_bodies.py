"""Bodies and queries of every kind, at every door: what a run gets of them, and what is refused with which status."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from shared.handlers.executions_handlers import get_execution
from shared.handlers.services import get_services
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import Called, call

App = Callable[[], Storage]

GREETERS = """
from typing import Any

from shared.context import ExecutionContext
from shared.decorators import data_provider, workflow


@data_provider(name="greet")
@workflow(name="greet", execution_mode="sync", endpoint_enabled=True, allowed_methods=["GET", "POST"])
def greet(name: str, n: int = 1, s: str = "dflt", tags: list[str] = []):
    return [name, str(n), s, *tags]


@workflow(name="whole", execution_mode="sync", endpoint_enabled=True)
def whole(body: Any = None):
    return body


@workflow(name="raw", execution_mode="sync", endpoint_enabled=True)
def raw(context: ExecutionContext):
    return {"raw": context.request.body.hex(), "query": context.request.query, "out": context.request.left_out}


@workflow(name="anything", execution_mode="sync", endpoint_enabled=True)
async def anything(context: ExecutionContext, **others):
    return {"scope": context.scope, **others}


@workflow(name="reads", execution_mode="sync", endpoint_enabled=True)
async def reads(context: ExecutionContext, doc: dict, more: list[dict] = []):
    return [(await context.read_file(file)).hex() for file in (doc, *more)]


@workflow(name="later", endpoint_enabled=True)
def later(name: str):
    return name
"""


@pytest_asyncio.fixture
async def greeters(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    (tmp_path / "flows" / "greeters_of_the_test.py").write_text(GREETERS)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield
    sys.modules.pop("greeters_of_the_test", None)


async def endpoint(name: str, raw: bytes = b"", headers: dict[str, str] | None = None, **fields: Any) -> Called:
    return await call("endpoints_post", {"workflowName": name}, raw=raw, headers=headers, **fields)


async def to_execute(raw: bytes, headers: dict[str, str]) -> Called:
    return await call("workflows_execute_named", {"workflowName": "greet"}, raw=raw, headers=headers)


async def to_form(raw: bytes, headers: dict[str, str]) -> Called:
    fields = [{"name": "name", "type": "text", "required": True}, {"name": "n", "type": "number"}]
    form = {"name": str(uuid4()), "linkedWorkflow": "greet", "formSchema": {"fields": fields}}
    made = await call("forms_create", body=form)
    return await call("forms_execute", {"formId": made.body["id"]}, raw=raw, headers=headers)


async def to_provider(raw: bytes, headers: dict[str, str]) -> Called:
    return await call("data_providers_post_options", {"providerName": "greet"}, raw=raw, headers=headers)


async def to_endpoint(raw: bytes, headers: dict[str, str]) -> Called:
    return await endpoint("greet", raw, headers)


Door = Callable[[bytes, dict[str, str]], Awaitable[Called]]
# The field of the JSON that has the parameters.
DOORS: dict[str, tuple[Door, str | None]] = {
    "execute": (to_execute, "inputData"),
    "form": (to_form, "formData"),
    "data provider": (to_provider, "inputs"),
    "endpoint": (to_endpoint, None),
}
GIVEN = {"name": "Adé", "n": 3}
JSON = json.dumps(GIVEN, ensure_ascii=False)
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
FIELDS = '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nAdé\r\n--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n3\r\n--b--\r\n'  # noqa: E501


def as_json(text: str) -> bytes:
    return text.encode()


# Content-Type, other headers, what the JSON is made, what is sent instead where it is none, statuses at doors for JSON
# and at the endpoint.
KINDS: dict[str, tuple[str | None, dict[str, str], Callable[[str], bytes], int, int]] = {
    "JSON": ("application/json", {}, as_json, 200, 200),
    "JSON without a type": (None, {}, as_json, 200, 200),
    "JSON of a vendor's type": ("application/vnd.acme.v1+json; charset=utf-8", {}, as_json, 200, 200),
    "JSON after a BOM": ("application/json", {}, lambda text: b"\xef\xbb\xbf" + text.encode(), 200, 200),
    "gzip": ("application/json", {"content-encoding": "gzip"}, lambda text: gzip.compress(text.encode()), 200, 200),
    "deflate": (None, {"content-encoding": "deflate"}, lambda text: zlib.compress(text.encode()), 200, 200),
    "JSON in latin-1": ("application/json; charset=latin1", {}, lambda text: text.encode("latin-1"), 200, 200),
    "JSON under a form's type": (FORM, {}, as_json, 200, 200),
    "JSON under plain text": ("text/plain; charset=UTF-8", {}, as_json, 200, 200),
    "JSON under any bytes": ("application/octet-stream", {}, as_json, 200, 200),
    "a form": (FORM, {}, lambda _: b"name=Ad%C3%A9&n=3", 415, 200),
    "a form in windows-1252": (f"{FORM}; charset=windows-1252", {}, lambda _: b"name=Ad%E9&n=3", 415, 200),
    "multipart": (MULTIPART, {}, lambda _: FIELDS.encode(), 415, 200),
    "a packed form": (FORM, {"content-encoding": "gzip"}, lambda _: gzip.compress(b"name=Ad%C3%A9&n=3"), 415, 200),
    "a lost body in chunks": ("application/json", {"transfer-encoding": "chunked"}, lambda _: b"", 411, 411),
    "an unknown coding": (None, {"content-encoding": "br"}, as_json, 415, 415),
    "an unknown charset": ("application/json; charset=utf-7", {}, lambda _: b"\xff", 415, 415),
    "broken JSON": ("application/json", {}, lambda text: text[:-1].encode(), 400, 400),
    "broken gzip": (None, {"content-encoding": "gzip"}, as_json, 400, 400),
    # Without a parameter that would take them a workflow is called without them, and this one needs a name.
    "text": ("text/plain", {}, lambda _: b"name", 415, 400),
    "XML": ("application/xml", {}, lambda _: b"<name/>", 415, 400),
}


@pytest.mark.parametrize("name", DOORS)
async def test_each_kind_of_body_means_the_same_at_every_door(greeters: None, name: str):
    door, field = DOORS[name]
    for kind, (media_type, headers, made, for_json, at_endpoint) in KINDS.items():
        sent = {**({"content-type": media_type} if media_type else {}), **headers}
        answer = await door(made(f'{{"{field}": {JSON}}}' if field else JSON), sent)
        assert answer.status == (for_json if field else at_endpoint), (kind, answer.body)
        if answer.status == 200:
            result = answer.body["result"] if "result" in answer.body else answer.body["options"]
            given = [found["value"] if isinstance(found, dict) else found for found in result]
            assert given == ["Adé", "3", "dflt"], kind


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("application/xml", b"<a/>", "<a/>"),
        ("text/plain", b"hello", "hello"),
        ("text/plain", b'{"Type": "Notification"}', {"Type": "Notification"}),
        ("application/json", b'{"a": 1, "b": {}}', {"a": 1, "b": {}}),
        (FORM, b"[1,2]", [1, 2]),
        (MULTIPART, FIELDS.encode(), {"name": "Adé", "n": "3"}),
    ],
)
async def test_a_workflow_that_wants_the_whole_body_has_it_as_body(
    greeters: None, kind: str, raw: bytes, expected: Any
):
    assert (await endpoint("whole", raw, {"content-type": kind})).body["result"] == expected


async def test_what_a_query_says_reaches_the_workflow_as_it_says_but_for_azures_own(greeters: None):
    async def get(query: str) -> Called:
        return await call("endpoints_get", {"workflowName": "greet"}, query_string=query)

    assert (await get("name=&s=&n=")).body["result"] == ["", "1", ""]
    answer = await get("name=x&tags=a,b&tags=c&code=secret&Code=too")
    assert answer.body["result"] == ["x", "1", "dflt", "a,b", "c"]
    record = await get_execution(answer.body["executionId"], ADMIN)
    assert record.input_data == {"name": "x", "tags": ["a,b", "c"]}
    answer = await endpoint("raw", query_string="a=1&a=2&b=&code=secret")
    assert answer.body["result"] == {"raw": "", "query": {"a": "1,2", "b": ""}, "out": ["a", "b"]}


async def test_a_providers_query_keeps_what_is_empty_and_what_comes_twice(greeters: None):
    async def get(query: str) -> list[str]:
        answer = await call("data_providers_get_options", {"providerName": "greet"}, query_string=query)
        return [option["value"] for option in answer.body["options"]]

    assert await get("name=x&s=&n=&noCache=&tags=a,b&tags=c") == ["x", "1", "", "a,b", "c"]


async def test_a_request_that_is_signed_keeps_its_very_bytes(greeters: None):
    packed = gzip.compress(b'{"a": 1}')
    answer = await endpoint("raw", packed, {"content-encoding": "gzip"})
    assert answer.body["result"]["raw"] == packed.hex()


async def test_a_workflow_reads_the_files_of_a_multipart_body(greeters: None):
    files = [("doc", b"\x00\xff\r\n"), ("more", b""), ("more", b"--b")]
    head = 'Content-Disposition: form-data; name="{}"; filename="x.bin"\r\n\r\n'
    parts = [b"--b\r\n" + head.format(name).encode() + content + b"\r\n" for name, content in files]
    answer = await endpoint("reads", b"".join([*parts, b"--b--\r\n"]), {"content-type": MULTIPART})
    assert answer.body["result"] == [content.hex() for _, content in files]


async def test_a_callers_context_harms_nothing(greeters: None):
    answer = await endpoint("anything", b'{"context": "default", "state": "success"}')
    assert answer.body["result"] == {"scope": "GLOBAL", "state": "success"}
    assert (await endpoint("greet", b'{"name": "x", "context": {}}')).body["status"] == "Success"


@pytest.mark.parametrize("name", ["greet", "later"])
async def test_an_endpoint_leaves_out_what_it_does_not_know_and_the_log_names_it(greeters: None, name: str):
    answer = await endpoint(name, b'{"name": "x", "nmae": "y"}', query_string="zone=1")
    execution_id = answer.body["executionId"]
    if name == "later":
        assert answer.status == 202
        await get_services().executor.run_queued(json.dumps({"execution_id": execution_id}))
    record = await get_execution(execution_id, ADMIN)
    assert (record.status, record.input_data) == ("Success", {"name": "x"})
    lines = [(line["level"], line["source"], line["message"]) for line in record.logs or []]
    assert lines == [("debug", "engine", "Left out, for want of a parameter: zone, nmae")]


async def test_direct_calls_go_on_refusing_each_unknown_parameter_by_name(greeters: None):
    for name in ("nmae", "context"):
        answer = await to_execute(json.dumps({"inputData": {"name": "x", name: 1}}).encode(), {})
        assert answer.status == 400
        assert [error["loc"] for error in answer.body["details"]["errors"]] == [[name]]


async def test_a_page_may_send_filters_that_nobody_has_filled_in(greeters: None):
    answer = await call("executions_list", query_string="workflowName=&status=&limit=&status=Failed")
    assert answer.status == 200
    assert (await call("executions_list", query_string="nothing=")).status == 400
