"""Answers of workflows' own: what is sent, what is left out or changed, and that the run's log says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from functions.http.endpoint_replies import endpoint_reply
from shared.context import EndpointResponse
from shared.logs.buffer import LogBuffer
from shared.logs.masking import SecretMask
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult, response_of
from shared.runtime.responses import take_response
from shared.serialization import MAX_VALUE_BYTES


def taken(response: EndpointResponse, *secrets: str) -> tuple[dict[str, Any], EndpointResponse, list[str]]:
    logs = LogBuffer()
    logs.mask = SecretMask(secrets)
    kept, sent = take_response(response, logs)
    return kept, sent, [entry["message"] for entry in logs.entries()]


def sent_of(response: EndpointResponse) -> tuple[int, bytes, Mapping[str, str]]:
    reply = endpoint_reply(response, {})
    return reply.status, reply.content, reply.headers


@pytest.mark.parametrize(
    ("response", "content", "kind"),
    [
        (EndpointResponse("é"), "é".encode(), "text/plain; charset=utf-8"),
        (EndpointResponse(b"\x00"), b"\x00", "application/octet-stream"),
        (EndpointResponse(bytearray(b"\xff")), b"\xff", "application/octet-stream"),
        (EndpointResponse({"a": {1}}), b'{"a": [1]}', "application/json"),
        (EndpointResponse(0), b"0", "application/json"),
        (EndpointResponse("<p>", headers={"content-type": "text/html"}), b"<p>", "text/html"),
        (EndpointResponse(None, 204), b"", None),
        (EndpointResponse("x", 304), b"", None),
        (EndpointResponse(None, HTTPStatus.CREATED), b"", None),
    ],
)
def test_an_answer_is_sent_as_what_it_is_and_comes_back_the_same_from_its_record(
    response: EndpointResponse, content: bytes, kind: str | None
):
    kept, sent, _ = taken(response)
    result = ExecutionResult("id", ExecutionStatus.SUCCESS, kept, response=sent)
    assert (sent_of(sent)[1], sent_of(sent)[2].get("Content-Type")) == (content, kind)
    form, stored = json.loads(json.dumps([result.response_form, result.result]))
    again = response_of(form, stored)
    assert again is not None
    assert sent_of(again) == sent_of(sent)


def test_headers_that_can_not_be_sent_are_left_out_and_the_log_names_them():
    headers = {
        "Set-Cookie": "a=b", "Transfer-Encoding": "chunked", "Connection": "x", "X-Bad": "a\r\nSet-Cookie: b=c",
        "X Y": "1", "Location": "/elsewhere", "location": "/there", "X-Ünit": "1", "X-Content-Type-Options": "x",
        "X-Name": "Jürgen", "X-Number": 7,
    }  # fmt: skip
    _, sent, lines = taken(EndpointResponse("", 303, headers))
    assert sent.headers == {"Location": "/there", "X-Number": "7"}
    told = "\n".join(lines)
    for name in ("Set-Cookie", "Transfer-Encoding", "Connection", "X-Bad", "'X Y'", "X-Ünit", "X-Name"):
        assert name in told
    assert "b=c" not in told


@pytest.mark.parametrize("headers", ["X-A: b", 7, [("X-A",)], object()])
def test_headers_of_a_wrong_shape_are_left_out_as_a_whole(headers: Any):
    _, sent, (line,) = taken(EndpointResponse("kept", 200, headers))
    assert (sent.body, sent.headers) == ("kept", {})
    assert line.startswith("All headers were left out")


def test_pairs_are_headers_too():
    assert taken(EndpointResponse("", 200, [("x-a", b"1")]))[1].headers == {"X-A": "1"}  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [0, 100, 199, 600, True, "200", None, object()])
def test_an_impossible_status_is_a_500_with_the_body_that_the_workflow_gave(status: Any):
    kept, sent, (line,) = taken(EndpointResponse("sorry", status))
    assert (sent.status_code, sent.body) == (500, "sorry")
    assert kept == {"statusCode": 500, "body": "sorry"}
    assert line.startswith("status_code must be a number from 200 to 599")


def test_the_log_says_that_a_body_was_left_out_or_converted():
    assert taken(EndpointResponse("x", 204))[2] == ["An answer of status 204 has no body; the workflow's was left out"]
    _, sent, (line,) = taken(EndpointResponse({"at": datetime(2026, 1, 2, tzinfo=UTC), "what": {1}}))
    assert sent.body == {"at": "2026-01-02T00:00:00+00:00", "what": [1]}
    assert "is no plain JSON and was converted" in line
    assert taken(EndpointResponse("a\udc80"))[1].body == "a\\udc80"


def test_a_body_whose_methods_raise_is_still_an_answer():
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

        def __iter__(self) -> Any:
            raise RuntimeError("no")

    status, content, _ = sent_of(taken(EndpointResponse(Broken(a=1)))[1])
    assert (status, json.loads(content) is not None) == (200, True)


def test_secrets_are_in_no_part_of_an_answer():
    headers = {"X-A": "swordfish", "X-B": "1"}
    _, sent, lines = taken(EndpointResponse({"a": "swordfish"}, 200, headers), "swordfish")
    assert "swordfish" not in repr((sent, lines))
    assert (sent.headers, len(lines)) == ({"X-B": "1"}, 1)


@pytest.mark.parametrize("body", ["x" * (MAX_VALUE_BYTES + 1), b"x" * MAX_VALUE_BYTES])
def test_a_body_that_is_too_large_to_be_kept_is_sent_whole_once(body: str | bytes):
    kept, sent, _ = taken(EndpointResponse(body))
    assert sent.body == body
    assert ExecutionResult("id", ExecutionStatus.SUCCESS, kept, response=sent).response_form is None
