"""HTTP functions in the local host behave as on Azure."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.e2e.local_host.conftest import Sample, SampleMaker

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINCIPAL = {"auth_typ": "aad", "claims": [{"typ": "roles", "val": "PlatformAdmin"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(sample: SampleMaker) -> AsyncIterator[Sample]:
    async with sample("http", LOCAL_HOST_PRINCIPAL=json.dumps(PRINCIPAL)) as running:
        yield running


async def echo(http: Sample, path: str = "echo/x", **fields: Any) -> dict[str, Any]:
    return json.loads(await http.text(path, **fields))


async def raw(http: Sample, request: bytes) -> bytes:
    """Status line, headers and body (where the length of one is given) of the answer to these very bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(http.url).port)
    writer.write(request)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", answer)
    answer += await reader.readexactly(int(length[1]) if length else 0)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_order_of_names_decides_and_not_how_specific_a_route_is(http: Sample) -> None:
    assert await http.text("things/special") == "by id special"


async def test_a_method_that_the_first_route_does_not_have_goes_to_the_next(http: Sample) -> None:
    assert await http.status("DELETE", "/api/things/special") == 200


async def test_an_unknown_route_and_an_unknown_method_are_an_empty_404(http: Sample) -> None:
    for method, path in (
        ("GET", "/api/nowhere"),
        ("POST", "/api/things/1"),
        ("OPTIONS", "/api/things/1"),
        ("GET", "/x"),
    ):
        async with http.session.request(method, http.url + path) as answer:
            assert (answer.status, await answer.read()) == (404, b"")


async def test_functions_that_can_not_be_served_are_named_and_take_nothing_else_down(http: Sample) -> None:
    async with http.session.get(f"{http.url}/admin/host/status") as answer:
        status = await answer.json()
    assert status["state"] == "Running"
    errors = "\n".join(status["errors"])
    assert "Function on_blob does not run: the local host does not support the binding blobTrigger (blob)" in errors
    assert "Function reserved does not run: its route 'administrators' begins with admin" in errors
    assert "Function constrained does not run: its route 'pages/{number:int}': the local host takes {name}" in errors
    assert "Function things_special_again does not run: things_special has the same route" in errors
    for error in status["errors"]:
        await http.until_logged(error)


async def test_a_function_sees_the_request_as_azures_host_passes_it_on(http: Sample) -> None:
    seen = await echo(
        http,
        "Echo/a%20b%2Fc/?q=1&q=2&empty=&Q=3&plus=a+b",
        data=b"\x00\xff",
    )
    assert seen["method"] == "GET"
    assert seen["route"] == {"a": "a b%2Fc"}
    assert seen["params"] == {"q": "1,2,3", "plus": "a b"}
    assert seen["url"].startswith(f"{http.url}/api/Echo/a%20b%2Fc/?q=1")
    assert seen["body"] == "\x00\xff"
    assert seen["function"] == "echo"


async def test_repeated_headers_are_joined(http: Sample) -> None:
    answer = await raw(http, b"GET /api/echo/x HTTP/1.1\r\nHost: x\r\nX-Many: 1\r\nx-many: 2\r\n\r\n")
    assert b'"x-many": "1,2"' in answer


async def test_nobody_can_send_an_identity_but_the_host(http: Sample) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": "forged", "X-MS-Client-Principal-Name": "me", "X-MS-TOKEN-AAD-ID-TOKEN": "t"}
    headers = (await echo(http, headers=forged))["headers"]
    assert {name for name in headers if name.startswith("x-ms-")} == {"x-ms-client-principal"}
    assert json.loads(base64.b64decode(headers["x-ms-client-principal"])) == PRINCIPAL


async def test_without_a_test_identity_there_is_none(sample: SampleMaker) -> None:
    async with sample("http") as plain:
        assert (
            "x-ms-client-principal" not in (await echo(plain, headers={"X-MS-CLIENT-PRINCIPAL": "forged"}))["headers"]
        )


async def test_a_body_without_a_length_arrives_empty(http: Sample) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"lost"

    assert (await echo(http, data=chunks()))["body"] == ""


async def test_a_compressed_body_stays_as_it_was_sent(http: Sample) -> None:
    seen = await echo(http, data=b"no gzip at all", headers={"Content-Encoding": "gzip"})
    assert seen["body"] == "no gzip at all"


async def test_a_client_that_asks_first_is_told_to_go_on(http: Sample) -> None:
    request = b"POST /api/echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert (await raw(http, request)).startswith(b"HTTP/1.1 100 ")


async def test_a_body_of_more_than_100_mib_is_413(http: Sample) -> None:
    request = b"POST /api/echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n"
    assert (await raw(http, request)).startswith(b"HTTP/1.1 413 ")


async def test_a_header_that_is_no_text_is_400(http: Sample) -> None:
    assert (await raw(http, b"GET /api/echo/x HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("kind", ["raise", "number", "none", "header"])
async def test_what_is_no_answer_is_a_500_with_an_empty_body_and_stands_in_the_log(http: Sample, kind: str) -> None:
    async with http.session.get(f"{http.url}/api/answers/{kind}") as answer:
        assert (answer.status, await answer.read()) == (500, b"")
    expected = {
        "raise": "ValueError: told to",
        "number": "an HTTP function can't return int",
        "none": "an HTTP function can't return NoneType",
        "header": "the header X-Bad has characters other than printable ASCII",
    }
    await http.until_logged(expected[kind])


async def test_answers_keep_status_headers_body_and_every_cookie(http: Sample) -> None:
    async with http.session.get(f"{http.url}/api/answers/cookies") as answer:
        assert (answer.status, answer.headers["X-One"], await answer.text()) == (201, "1", "ok")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        cookies = answer.headers.getall("Set-Cookie")
    assert cookies[0].startswith("a=1;")
    assert {part.strip().lower() for part in cookies[0].split(";")} == {"a=1", "path=/", "httponly"}
    assert {part.strip().lower() for part in cookies[1].split(";")} == {"b=x%3dy", "max-age=5", "samesite=lax"}
    async with http.session.get(f"{http.url}/api/answers/bytes") as answer:
        assert (answer.status, await answer.read()) == (418, b"\x00\xff")
        assert answer.headers["Content-Type"] == "application/octet-stream"


async def test_a_function_without_an_http_output_is_answered_204(http: Sample) -> None:
    assert await http.status("GET", "/api/silent") == 204


@pytest.mark.parametrize(
    ("text", "status", "content_type", "body"),
    [
        ("plain", 200, "text/plain; charset=utf-8", "plain"),
        ('{"a": 1}', 200, "application/json; charset=utf-8", '{"a": 1}'),
        ('{"body": "x", "status": 202, "headers": {"Content-Type": "text/html"}}', 202, "text/html", "x"),
    ],
)
async def test_returned_text_is_read_as_json_as_azure_does(
    http: Sample, text: str, status: int, content_type: str, body: str
) -> None:
    async with http.session.get(f"{http.url}/api/answers/text", params={"text": text}) as answer:
        assert (answer.status, answer.headers["Content-Type"], await answer.text()) == (status, content_type, body)


async def test_a_function_in_a_thread_does_not_hold_up_the_others(http: Sample) -> None:
    held = asyncio.create_task(http.text("hold"))
    assert await http.text("release") == "ok"
    assert await held == "released"


async def test_the_hosts_own_pages(http: Sample) -> None:
    assert await http.status("GET", "/") == 200
    assert await http.status("POST", "/") == 404
    assert await http.status("GET", "/admin/host/ping") == 200
    assert await http.status("GET", "/admin/nothing") == 404


async def test_web_pages_do_not_reach_what_takes_a_key_on_azure(http: Sample) -> None:
    assert await http.status("GET", "/admin/host/status", headers={"Origin": "https://example.com"}) == 403


async def test_more_requests_than_allowed_are_429(sample: SampleMaker) -> None:
    async with sample("http", AzureFunctionsJobHost__extensions__http__maxOutstandingRequests="1") as running:
        under_way = asyncio.create_task(running.text("sleep/0.5"))
        await running.until_logged("asleep")
        assert await running.status("GET", "/api/process") == 429
        assert await under_way == "slept"
        assert await running.status("GET", "/api/process") == 200
