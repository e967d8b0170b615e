"""Endpoint requests: which bodies become which parameters, and what workflow code gets to see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.context import ExecutionContext, HttpRequestInfo
from shared.errors import UnsupportedMediaTypeError
from shared.handlers.encoded_fields import FieldValues
from shared.handlers.endpoint_requests import GivenParameters, parameters_of, without_secrets
from shared.registry import WORKFLOW, FunctionMetadata

LATIN_XML = '<?xml version="1.0" encoding="ISO-8859-1"?><p>é</p>'
FORM = "application/x-www-form-urlencoded"


def request(body: bytes, kind: str | None = None, **headers: str) -> HttpRequestInfo:
    return HttpRequestInfo("POST", {"content-type": kind, **headers} if kind else headers, {}, body)


def plain(context: ExecutionContext, a: Any = None, b: str = "dflt", n: int = 1, m: float | None = None):
    """Unlike the others it has no parameter `body`."""


def whole(body: Any, a: Any = None): ...


def text(body: str = "", a: Any = None): ...


def both(body: Any, needed: str): ...


def anything(context: ExecutionContext, **others: Any): ...


async def given(
    function: Callable[..., Any], body: bytes = b"", kind: str | None = None, query: FieldValues | None = None
) -> GivenParameters:
    metadata = FunctionMetadata(name="w", function=function, tags=[WORKFLOW])
    return await parameters_of(request(body, kind), query or {}, metadata)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"", None, {"a": "1", "b": "x"}),
        (b'{"a": 2}', None, {"a": 2, "b": "x"}),
        (b'\xef\xbb\xbf{"a": 2}', "application/json", {"a": 2, "b": "x"}),
        (b'{"a": 2}', "application/json; charset=utf-8", {"a": 2, "b": "x"}),
        (b'{"a": 2}', "application/cloudevents+json", {"a": 2, "b": "x"}),
        (b'{"a": 2}', "text/json", {"a": 2, "b": "x"}),
        (b'{"a": "\xe9"}', "application/json; charset=iso-8859-1", {"a": "é", "b": "x"}),
        ('{"a": "é"}'.encode(), "application/json; charset=iso-8859-1", {"a": "é", "b": "x"}),
        ('{"a": "é"}'.encode("utf-16"), "application/json; charset=utf-16", {"a": "é", "b": "x"}),
        (b"a=2&b=&a=3", FORM, {"a": ["2", "3"], "b": ""}),
        (b"a=%C3%A4+b", FORM, {"a": "ä b", "b": "x"}),
        (b"a=%E9", f"{FORM}; charset=windows-1252", {"a": "é", "b": "x"}),
        (b"a=\xe9", f'{FORM}; charset="ISO-8859-1"', {"a": "é", "b": "x"}),
        (b'{"a": 2}', "application/octet-stream", {"a": 2, "b": "x"}),
        (b'{"a": 2}', "text/plain; charset=UTF-8", {"a": 2, "b": "x"}),
        (b'{"a": "\xe9"}', "text/plain; charset=windows-1252", {"a": "é", "b": "x"}),
        (b' {"a": 2}', FORM, {"a": 2, "b": "x"}),
    ],
)
async def test_query_and_body_are_one_and_the_body_wins(body: bytes, kind: str | None, expected: dict[str, Any]):
    assert await given(plain, body, kind, {"a": "1", "b": "x"}) == GivenParameters(expected, ())


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"hello", "text/plain", "hello"),
        (b"\xef\xbb\xbfhello", "text/plain", "hello"),
        (b"h\xe4", "text/plain; charset=ISO-8859-1", "hä"),
        (b"\x80", "text/csv; charset=windows-1252", "€"),
        ("日本".encode("shift_jis"), "text/plain; charset=Shift_JIS", "日本"),
        (LATIN_XML.encode("latin-1"), "application/xml", LATIN_XML),
        ("<p>é</p>".encode("utf-16"), "text/xml", "<p>é</p>"),
        (b"<e/>", "application/soap+xml; charset=utf-8", "<e/>"),
        (b"a: 1", "application/yaml", "a: 1"),
        (b'{"a": 1}\n{"a": 2}', "application/x-ndjson", '{"a": 1}\n{"a": 2}'),
        (b"[1, 2]", "application/json", [1, 2]),
        (b"[1, 2]", FORM, [1, 2]),
        (b"0", None, 0),
        (b'{"a": 1, "b": {}}', "application/json", {"a": 1, "b": {}}),
        (b'{"a": 1, "b": {}}', FORM, {"a": 1, "b": {}}),
        (b"{}", None, {}),
        (b"x=1&y=&y=2", FORM, {"x": "1", "y": ["", "2"]}),
    ],
)  # fmt: skip
async def test_a_parameter_called_body_gets_the_whole_body(body: bytes, kind: str | None, expected: Any):
    found = await given(whole, body, kind)
    assert (found.values["body"], found.left_out) == (expected, ())


async def test_beside_the_whole_body_parameters_get_their_fields():
    assert (await given(whole, b'{"a": 1, "z": 2}')).values == {"body": {"a": 1, "z": 2}, "a": 1}


async def test_a_field_called_body_is_the_parameter_and_so_it_is_where_others_are_required():
    assert await given(whole, b'{"body": 5, "z": 1}') == GivenParameters({"body": 5}, ("z",))
    assert await given(both, b'{"needed": "x", "z": 1}') == GivenParameters({"needed": "x"}, ("z",))
    assert (await given(both, b"[1]", query={"needed": "x"})).values == {"needed": "x", "body": [1]}


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [(b'{ "a":1}', None, '{ "a":1}'), (b"[1]", FORM, "[1]"), (b'"x"', None, "x"), (b"[1]", "text/plain", "[1]")],
)
async def test_a_body_that_is_declared_as_text_gets_json_as_it_was_written(body: bytes, kind: str, expected: str):
    assert (await given(text, body, kind)).values["body"] == expected


async def test_what_the_workflow_has_no_parameter_for_is_left_out_and_named():
    many = b"&".join(b"x%d=1" % number for number in range(30))
    assert await given(plain, b'{"a": 1, "z": 2, "context": {}}', query={"y": "1"}) == GivenParameters(
        {"a": 1}, ("y", "z", "context")
    )
    assert await given(plain, b"hello", "text/plain") == GivenParameters({}, ("body",))
    assert (await given(plain, many, FORM)).left_out[-2:] == ("x19", "10 more")
    assert (await given(plain, b'{"%s": 1}' % (b"k" * 500))).left_out == ("k" * 100 + "…",)


async def test_a_workflow_that_takes_anything_gets_all_but_what_is_called_like_its_context():
    found = await given(anything, b'{"context": "default", "a": 1}', query={"q": ["1", "2"]})
    assert found == GivenParameters({"q": ["1", "2"], "a": 1}, ("context",))


@pytest.mark.parametrize("kind", [None, "query"])
async def test_a_blank_is_a_text_and_for_what_can_have_none_it_is_not_given(kind: str | None):
    blanks = {"a": "", "b": "", "n": "", "m": ""}
    found = await (given(plain, query=blanks) if kind else given(plain, b"a=&b=&n=&m=", FORM))
    assert found == GivenParameters({"a": "", "b": ""}, ())


async def test_several_values_of_one_query_parameter_are_a_list_and_one_text_for_a_text():
    assert (await given(plain, query={"a": ["1,5", "2"], "b": ["x", "y"]})).values == {"a": ["1,5", "2"], "b": "x,y"}


async def test_bytes_are_only_in_the_request_and_refused_where_that_is_not_seen():
    def sees(context: ExecutionContext, name: str = "") -> None: ...

    for content, kind in ((b"\x00\x01", "application/octet-stream"), (b"%PDF", "application/pdf")):
        assert await given(sees, content, kind) == GivenParameters({}, ())
        with pytest.raises(UnsupportedMediaTypeError, match=kind):
            await given(whole, content, kind)


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
    for request in (original, replace(original, left_out=("x", "y"))):
        assert HttpRequestInfo.from_json(json.loads(json.dumps(request.as_json()))) == request
