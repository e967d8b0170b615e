"""Endpoint requests: which bodies become which parameters, and what workflow code gets to see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.context import HttpRequestInfo
from shared.errors import BadRequestError
from shared.handlers.endpoint_requests import parameters_of, without_secrets

FORM = "application/x-www-form-urlencoded"


def request(body: bytes, kind: str | None = None, query: dict[str, str] | None = None) -> HttpRequestInfo:
    return HttpRequestInfo("POST", {"content-type": kind} if kind else {}, query or {}, body)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"", None, {"a": "1", "q": "x"}),
        (b'{"a": 2}', None, {"a": 2, "q": "x"}),
        (b'{"a": 2}', "application/json; charset=utf-8", {"a": 2, "q": "x"}),
        (b'{"a": 2}', "application/cloudevents+json", {"a": 2, "q": "x"}),
        (b"a=2&b=&c=1&c=2&c=3", FORM, {"a": "2", "q": "x", "b": "", "c": ["1", "2", "3"]}),
        (b"a=%C3%A4+b", FORM, {"a": "ä b", "q": "x"}),
        (b"hello", "text/plain", {"a": "1", "q": "x", "body": "hello"}),
        (b"h\xe4", "text/plain; charset=ISO-8859-1", {"a": "1", "q": "x", "body": "hä"}),
        (b"[1, 2]", "application/json", {"a": "1", "q": "x", "body": [1, 2]}),
        (b"\x00\x01", "application/octet-stream", {"a": "1", "q": "x"}),
        (b'{"a": 2}', "application/octet-stream", {"a": 2, "q": "x"}),
        (b' {"a": 2}', FORM, {"a": 2, "q": "x"}),
        (b"{=2", FORM, {"a": "1", "q": "x", "{": "2"}),
    ],
)
def test_query_and_body_are_one_and_the_body_wins(body: bytes, kind: str | None, expected: dict[str, Any]):
    assert parameters_of(request(body, kind, {"a": "1", "q": "x"}), {"a", "body"}) == expected


def test_a_text_is_no_parameter_of_a_workflow_that_has_none_for_it():
    assert parameters_of(request(b"hello", "text/plain"), {"a"}) == {}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", None),
        (b"NaN", "application/json"),
        (b"\xff", "text/plain"),
        (b"x", "text/plain; charset=utf-7"),
        (b"\xff", FORM),
        (b"&".join(b"a=1" for _ in range(1001)), FORM),
        (b"[" * 5000, "application/json"),
        (b'{"a": [-1e400]}', "application/json"),
        (b'{"a": 1e999}', FORM),
        (b'{"a": 1e999}', "application/octet-stream"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_a_bad_request(body: bytes, kind: str | None):
    with pytest.raises(BadRequestError):
        parameters_of(request(body, kind), {"body"})


def test_workflow_code_sees_no_proof_of_who_the_caller_is():
    secret = [
        "authorization", "cookie", "x-functions-key", "x-ms-client-principal", "x-ms-client-principal-id",
        "x-ms-token-aad-access-token", "x-zumo-auth", "x-dev-principal", "x-result-token",
    ]  # fmt: skip
    headers = {**dict.fromkeys(secret, "secret"), "x-hub-signature-256": "sha256=1", "content-type": "text/plain"}
    seen = without_secrets(HttpRequestInfo("POST", headers, {"a": "1"}, b"raw"))
    assert seen == HttpRequestInfo(
        "POST", {"x-hub-signature-256": "sha256=1", "content-type": "text/plain"}, {"a": "1"}, b"raw"
    )


def test_headers_are_bounded():
    many = without_secrets(HttpRequestInfo("GET", {f"h{number}": "x" for number in range(500)}))
    large = without_secrets(HttpRequestInfo("GET", {f"h{number}": "x" * 10_000 for number in range(10)}))
    assert (len(many.headers), len(large.headers)) == (100, 3)


def test_a_recorded_request_comes_back_as_it_was():
    original = HttpRequestInfo("PUT", {"a": "b"}, {"c": "d"}, b"\x00\xff")
    assert HttpRequestInfo.from_json(json.loads(json.dumps(original.as_json()))) == original
