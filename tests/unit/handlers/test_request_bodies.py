"""The reader of bodies: codings, charsets, multipart, and what is refused with which status."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
import tracemalloc
import zlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import PlatformError
from shared.handlers.content_codings import decoded_body
from shared.handlers.encoded_fields import read_query
from shared.handlers.request_bodies import MAX_BODY_BYTES, Body, check_arrival, read_body, read_json_object

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BOUNDARY = "multipart/form-data; boundary=b"
OBJECT = b'{"a": 1}'


def packed_by_gzip(content: bytes) -> bytes:
    """Without the time, so that tests with it have the same name in each process."""
    return gzip.compress(content, mtime=0)


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def multipart(*parts: tuple[str, bytes]) -> bytes:
    return (
        b"".join(b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + b"--b--\r\n"
    )


def field(name: str, content: bytes, *more: str) -> tuple[str, bytes]:
    return "\r\n".join([f'Content-Disposition: form-data; name="{name}"', *more]), content


def file(name: str, filename: str, content: bytes, *more: str) -> tuple[str, bytes]:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return "\r\n".join([head, *more]), content


async def read(raw: bytes, kind: str | None = None, coding: str | None = None) -> Body:
    headers = {"content-type": kind, "content-encoding": coding}
    return await read_body({name: value for name, value in headers.items() if value is not None}, raw)


async def refused(raw: bytes, kind: str | None = None, coding: str | None = None) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await read(raw, kind, coding)
    return caught.value


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (packed_by_gzip(OBJECT), "gzip"),
        (packed_by_gzip(OBJECT), "X-GZIP"),
        (packed_by_gzip(OBJECT[:3]) + packed_by_gzip(OBJECT[3:]) + b"\x00\x00", "gzip"),
        (zlib.compress(OBJECT), "deflate"),
        (raw_deflate(OBJECT), "deflate"),
        (packed_by_gzip(zlib.compress(OBJECT)), "deflate, gzip"),
        (OBJECT, "identity"),
        (OBJECT, "utf-8"),
    ],
)
async def test_a_packed_body_is_unpacked_whatever_its_type(packed: bytes, coding: str):
    headers = {"content-encoding": coding}
    assert (await read_body(headers, packed)).value == {"a": 1}
    assert (await read_body({**headers, "content-type": "application/octet-stream"}, packed)).value == {"a": 1}
    assert await read_json_object(headers, packed) == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "coding", "status", "message"),
    [
        (OBJECT, "gzip", 400, "is no gzip"),
        (packed_by_gzip(OBJECT)[:-4], "gzip", 400, "ends too early"),
        (packed_by_gzip(OBJECT)[:-5] + b"12345", "gzip", 400, "is no gzip"),
        (packed_by_gzip(OBJECT) + b"more", "gzip", 400, "is no gzip"),
        (zlib.compress(OBJECT) + b"more", "deflate", 400, "follows"),
        (b"\xff\xff", "deflate", 400, "is no deflate"),
        (packed_by_gzip(b"") * 1001, "gzip", 400, "1000 members"),
        (b"\x0b\x02\x80", "br", 415, "'br'"),
        (OBJECT, "gzip, gzip, gzip", 415, "At most 2"),
    ],
)
async def test_a_body_that_can_not_be_unpacked_says_why(raw: bytes, coding: str, status: int, message: str):
    error = await refused(raw, None, coding)
    assert (error.status, message in error.message) == (status, True), error.message
    if status == 415:
        assert error.headers == {"Accept-Encoding": "gzip, deflate"}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
async def test_a_bomb_is_refused_before_it_takes_more_memory_than_a_body_may_have(coding: str):
    bomb = b"\x00" * (60 << 20)
    packed = zlib.compress(bomb, 9) if coding == "deflate" else packed_by_gzip(bomb)
    packed = packed_by_gzip(packed) if coding == "gzip, gzip" else packed
    del bomb
    tracemalloc.start()
    try:
        error = await refused(packed, None, coding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (error.status, error.code) == (413, "PayloadTooLarge")
    assert peak < 3 * MAX_BODY_BYTES


def test_unpacking_stops_exactly_at_the_bound():
    packed = packed_by_gzip(b"x" * 1000)
    assert decoded_body(packed, "gzip", 1000) == b"x" * 1000
    with pytest.raises(PlatformError, match="more than 999 bytes"):
        decoded_body(packed, "gzip", 999)


@settings(max_examples=20)
@given(st.binary(max_size=300_000), st.sampled_from(["gzip", "deflate"]), st.integers(1, 3))
def test_what_was_packed_is_unpacked_as_it_was(content: bytes, coding: str, times: int):
    packed = b"".join(packed_by_gzip(content) for _ in range(times)) if coding == "gzip" else zlib.compress(content)
    assert decoded_body(packed, coding, MAX_BODY_BYTES) == content * (times if coding == "gzip" else 1)


@settings(max_examples=20)
@given(st.text(max_size=20), st.integers(65_500, 65_560), st.sampled_from(["utf-8", "windows-1252", "shift_jis"]))
def test_a_forms_text_comes_as_it_was_written(text: str, padding: int, charset: str):
    text = "x" * padding + text.encode(charset, "ignore").decode(charset)
    body = urlencode({"a": text, text[-20:]: "1"}, encoding=charset).encode()
    expected = {"a": text} | {text[-20:]: "1"}
    assert asyncio.run(read(body, f"{FORM}; charset={charset}")).value == expected


async def test_a_file_is_known_by_its_name_in_either_way():
    head = "Content-Disposition: form-data; name=\"doc\"; filename*=utf-8''%C3%A9.png"
    found = await read(multipart((head, b"\x89PNG")), BOUNDARY)
    assert (found.value["doc"]["name"], found.value["doc"]["size"]) == ("é.png", 4)


async def test_multipart_gives_fields_and_files():
    body = multipart(
        field("name", "Ada é".encode()),
        field("tag", b"a,b"),
        field("tag", b"c"),
        field("latin", b"\xe9", "Content-Type: text/plain; charset=iso-8859-1"),
        field("quo%22te", b""),
        file("doc", "../../etc/passwd.pdf", b"\x00\xff", "Content-Type: application/pdf"),
        file("doc", "C:\\x\\b\u202ex.txt", b""),
        file("nothing", "", b"", "Content-Type: application/octet-stream"),
    )
    found = await read(body, BOUNDARY)
    assert found.kind == "form"
    content = base64.b64encode(b"\x00\xff").decode()
    assert found.value == {
        "name": "Ada é",
        "tag": ["a,b", "c"],
        "latin": "é",
        'quo"te': "",
        "doc": [
            {"name": "passwd.pdf", "contentType": "application/pdf", "size": 2, "content": content},
            {"name": "bx.txt", "contentType": "application/octet-stream", "size": 0, "content": ""},
        ],
    }


NAMES = st.text(st.characters(exclude_characters="%\\", exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=25)
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=5))
def test_every_file_comes_as_it_was_sent(files: dict[str, bytes]):
    def escaped(name: str) -> str:
        return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")

    body = multipart(*(file(escaped(name), "x", content) for name, content in files.items()))
    value = asyncio.run(read(body, BOUNDARY)).value
    assert {name: base64.b64decode(found["content"]) for name, found in value.items()} == files


@pytest.mark.parametrize(
    ("raw", "kind", "status", "message"),
    [
        (b"x", "multipart/form-data", 400, "boundary"),
        (b"x", BOUNDARY, 400, "no multipart"),
        (multipart(field("a", b"1"))[:-6], BOUNDARY, 400, "ends before"),
        (multipart(("Content-Type: text/plain", b"1")), BOUNDARY, 400, "no name"),
        (multipart(field("age", b"\xe9")), BOUNDARY, 400, "'age'"),
        (multipart(field("a", b"1", "Content-Type: text/plain; charset=utf-7")), BOUNDARY, 415, "'utf-7'"),
        (multipart(*[field("a", b"1")] * 1001), BOUNDARY, 400, "1000 fields"),
        (multipart(file("a", "x", b"x" * (8 << 20))), BOUNDARY, 413, "base64"),
        (b"x", f"multipart/form-data; boundary={'b' * 300}", 400, "no multipart"),
        (b"a=%E9", FORM, 400, "utf-8"),
        (b"a=1", f"{FORM}; charset=utf-7", 415, "'utf-7'"),
        (b"a=1", f"{FORM}; charset=unicode_escape", 415, "'unicode_escape'"),
        (b"a=1", f"{FORM}; charset=hex", 415, "'hex'"),
        (b"&".join([b"a=1"] * 1001), FORM, 400, "1000 fields"),
        (b"\xff", "text/plain", 400, "utf-8"),
        (b"x", "text/plain; charset=utf-7", 415, "'utf-7'"),
        (b"{", None, 400, "no JSON"),
        (b"NaN", JSON, 400, "no JSON"),
        (b"[" * 5000, JSON, 400, "no JSON"),
        (b'{"a": [-1e400]}', JSON, 400, "too large"),
        (b'{"a": 1e999}', FORM, 400, "too large"),
        (b'{"a": 1e999}', "application/octet-stream", 400, "too large"),
    ],
)
async def test_a_body_that_is_not_what_it_says_is_refused_with_the_reason(
    raw: bytes, kind: str | None, status: int, message: str
):
    error = await refused(raw, kind)
    assert (error.status, message in error.message) == (status, True), error.message


KINDS = ["application/json", "text/plain", FORM, BOUNDARY, "application/xml", "application/octet-stream", "text/json"]
OPTIONS = ["", "; charset=utf-8", "; charset=utf-16", "; charset=latin1", "; boundary=b", "; charset=", '; charset="']
BODIES = [
    OBJECT,
    b"a=%41&b=+",
    multipart(field("a", b"1"), file("f", "x", b"2", "Content-Type: text/plain; charset=utf-16")),
    packed_by_gzip(OBJECT),
    zlib.compress(b"a=1"),
    b'<?xml version="1.0" encoding="utf-16"?>',
]


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A body of any kind with a piece of it replaced."""
    body = draw(st.sampled_from(BODIES))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    return body[:first] + draw(st.binary(max_size=9)) + body[last:]


@settings(max_examples=300)
@given(
    st.binary(max_size=60) | st.sampled_from(BODIES) | altered(),
    st.builds(str.__add__, st.sampled_from(KINDS), st.sampled_from(OPTIONS) | st.text(max_size=9))
    | st.text(max_size=20),
    st.sampled_from([None, "gzip", "deflate", "deflate,gzip"]) | st.text(max_size=9),
)
def test_whatever_strangers_send_is_read_or_refused(raw: bytes, kind: str, coding: str | None):
    headers = {"content-type": kind, **({} if coding is None else {"content-encoding": coding})}

    async def check() -> None:
        for reader in (read_body, read_json_object):
            try:
                await reader(headers, raw)
            except PlatformError as error:
                assert error.status in (400, 413, 415)  # noqa: PT017 - most are refused, and some may be read

    asyncio.run(check())


def test_a_body_that_was_dropped_on_its_way_and_one_that_is_too_long_are_refused():
    for headers in ({"transfer-encoding": "chunked"}, {"transfer-encoding": "gzip, Chunked"}):
        with pytest.raises(PlatformError) as caught:
            check_arrival(headers, b"")
        assert (caught.value.status, caught.value.code) == (411, "LengthRequired")
    check_arrival({"transfer-encoding": "chunked"}, b"it arrived")
    check_arrival({}, b"")
    with pytest.raises(PlatformError) as caught:
        check_arrival({}, b"x" * (MAX_BODY_BYTES + 1))
    assert caught.value.status == 413


@pytest.mark.parametrize("kind", [None, JSON, "application/problem+json", "text/json", FORM, "text/plain", "nonsense"])
@pytest.mark.parametrize("raw", [OBJECT, b"\xef\xbb\xbf" + OBJECT, b' {"a": 1}\n'])
async def test_a_route_for_json_takes_it_under_the_types_that_clients_set_unasked(kind: str | None, raw: bytes):
    assert await read_json_object({"content-type": kind} if kind else {}, raw) == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "kind", "status", "message"),
    [
        (b"a=1", FORM, 415, FORM),
        (b"hello", "text/plain", 415, "text/plain"),
        (b"\x00", "application/octet-stream", 415, "takes JSON"),
        (multipart(field("a", b"1")), BOUNDARY, 415, "multipart/form-data"),
        (b"<a/>", "application/xml", 415, "application/xml"),
        (b"\x89PNG", "image/png", 415, "image/png"),
        (b'{"a": ', FORM, 400, "no JSON"),
        (b"[1]", FORM, 400, "not an array"),
        (b"null", JSON, 400, "not null"),
        (b"x", JSON, 400, "no JSON"),
        (b'{"a": "\xe9"}', f"{JSON}; charset=x", 415, "'x'"),
    ],
)
async def test_a_route_for_json_says_that_it_takes_json(raw: bytes, kind: str, status: int, message: str):
    with pytest.raises(PlatformError) as caught:
        await read_json_object({"content-type": kind}, raw)
    assert (caught.value.status, message in caught.value.message) == (status, True), caught.value.message


async def test_an_empty_body_is_none_whatever_its_type():
    for kind in (JSON, FORM, BOUNDARY, "image/png", "text/plain"):
        assert await read_json_object({"content-type": kind}, b"") == {}
        assert await read(b" ", kind, "identity") == Body("none")


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1&b=x+y%2B", {"a": "1", "b": "x y+"}),
        ("s=&t", {"s": "", "t": ""}),
        ("l=a,b&l=c&L=d&l=", {"l": ["a,b", "c", ""], "L": "d"}),
        ("a=%C3%A9&b=1;c=2", {"a": "é", "b": "1;c=2"}),
    ],
)
def test_a_query_is_read_as_it_was_sent(query: str, values: dict[str, Any]):
    assert read_query(f"https://x.example/api/endpoints/y?{query}") == values


def test_a_query_that_is_no_text_names_the_parameter():
    with pytest.raises(PlatformError, match="'name' in the query"):
        read_query("https://x.example/?name=caf%E9")


def test_a_query_has_a_bound():
    with pytest.raises(PlatformError, match="1000 parameters"):
        read_query("https://x.example/?" + "a&" * 1001)


@pytest.mark.parametrize(
    ("given", "name"),
    [("a.pdf", "a.pdf"), ("../x/.env", ".env"), ("a\tb\x00.pdf", "ab.pdf"), ("..", "file"), ("x/", "file")],
)
async def test_a_files_name_has_no_path(given: str, name: str):
    assert (await read(multipart(file("f", given, b"1")), BOUNDARY)).value["f"]["name"] == name


async def longest_pause(raw: bytes, kind: str, coding: str | None = None) -> float:
    """The longest time that the loop was away while a body was read, in seconds."""
    longest, last, done = 0.0, time.perf_counter(), False

    async def tick() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await read(raw, kind, coding)
    done = True
    await ticking
    return longest


LARGE = {
    "multipart of one file": (multipart(file("a", "x", b"\r\n--" * 1_400_000)), BOUNDARY, None),
    "multipart of many fields": (
        multipart(*[field(f"f{number}", b"x" * 7000) for number in range(1000)]),
        BOUNDARY,
        None,
    ),
    "a form": (b"a=" + b"%41" * 1_700_000, FORM, None),
    "packed": (
        packed_by_gzip(json.dumps({"a": "x" * (10 << 20 - 1)}).encode()[: 9 << 20]),
        "application/octet-stream",
        "gzip",
    ),
}


@pytest.mark.parametrize("case", LARGE)
async def test_a_large_body_keeps_nobody_else_waiting(case: str):
    # Code of the test's own machine may pause it as well: one good run proves that the reader does not.
    pauses: list[float] = []
    for _ in range(5):
        pauses.append(await longest_pause(*LARGE[case]))
        if pauses[-1] < 0.15:
            return
    pytest.fail(f"the loop was away for {pauses} s")
