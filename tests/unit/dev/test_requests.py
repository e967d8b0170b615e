"""How the local host turns requests into calls and results into answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.host.requests import AnswerError, decoded_path, joined_headers, joined_query, principal_from, to_response
from dev.host.worker_process import Answer


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/api/x", "/api/x"),
        ("/api/a%20b", "/api/a b"),
        ("/api/a%2Fb", "/api/a%2Fb"),
        ("/api/%C3%A9", "/api/é"),
        ("/api/./x/../y", "/api/y"),
        ("/api/%2e%2e/x", "/x"),
        ("/../x", "/x"),
        ("/api/x/..", "/api/"),
        ("/api/x/", "/api/x/"),
    ],
)
def test_paths_are_decoded_but_for_slashes_and_have_no_dot_segments(raw: str, path: str) -> None:
    assert decoded_path(raw) == path


@given(st.lists(st.sampled_from(["a", "b", ".", "..", ""]), max_size=8))
def test_a_path_never_leads_above_its_root(parts: list[str]) -> None:
    path = decoded_path("/" + "/".join(parts))
    assert path.startswith("/")
    assert not {".", ".."} & set(path.split("/"))


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&A=2&a=", {"a": "1,2"}),
        ("a&b=", {}),
        ("a=x+y%2B&b=%C3%A9", {"a": "x y+", "b": "é"}),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_query_values_are_joined_and_empty_ones_left_out(query: str, values: dict[str, str]) -> None:
    assert joined_query(query) == values


def test_headers_are_lower_case_and_joined_and_bear_the_hosts_identity_only() -> None:
    sent = [("X-A", "1"), ("x-a", "2"), ("X-MS-CLIENT-PRINCIPAL-ID", "me"), ("x-ms-token-aad-access-token", "t")]
    assert joined_headers(sent, None) == {"x-a": "1,2"}
    assert joined_headers(sent, "vouched") == {"x-a": "1,2", "x-ms-client-principal": "vouched"}


def test_the_test_identity_is_base64_of_its_claims() -> None:
    claims = '{"claims": [{"typ": "name", "val": "é"}]}'
    assert json.loads(base64.b64decode(principal_from(claims))) == json.loads(claims)
    for wrong in ("no json", "[]"):
        with pytest.raises(ValueError, match=r".+"):
            principal_from(wrong)


def http_answer(**fields: Any) -> Answer:
    return Answer({"kind": "http", "status": "200", "headers": {}, "cookies": [], **fields}, b"body")


def test_headers_that_are_the_servers_own_are_not_the_functions() -> None:
    response = to_response(http_answer(headers={"content-length": "999", "Transfer-Encoding": "x", "x-a": "1"}))
    assert dict(response.headers) == {"x-a": "1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "abc"},
        {"status": "100"},
        {"status": "1000"},
        {"headers": {"x-a": "line\r\nX-Injected: 1"}},
        {"headers": {"x-a": "é"}},
        {"cookies": ["a=1\nb"]},
    ],
)
def test_what_azures_server_would_refuse_to_send_is_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        to_response(http_answer(**fields))


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("", 200, ""),
        ("null", 200, ""),
        ("[1]", 200, "[1]"),
        ('"quoted"', 200, "quoted"),
        ('{"body": {"a": 1}, "statusCode": 201}', 201, '{"a": 1}'),
        ('{"body": null, "status": "404"}', 404, ""),
    ],
)
def test_returned_text_may_be_a_whole_answer(text: str, status: int, body: str) -> None:
    response = to_response(Answer({"kind": "text"}, text.encode()))
    assert (response.status, response.text or "") == (status, body)
