"""The one reader of bodies: what a request's bytes are, by what its headers say, or why they can't be read."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from shared.errors import BadRequestError, LengthRequiredError, PayloadTooLargeError, UnsupportedMediaTypeError
from shared.handlers.content_codings import decoded_body
from shared.handlers.encoded_fields import read_form
from shared.handlers.json_bodies import read_json
from shared.handlers.media_types import ANY_BYTES, FORM, MULTIPART, PLAIN_TEXT, MediaType

MAX_BODY_BYTES = 10 * 1024 * 1024
# Beyond this a body is worked on beside the loop that serves requests.
_LARGE_BYTES = 64 * 1024

Headers = Mapping[str, str]
ReadT = TypeVar("ReadT")


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read.

    Attributes:
        kind: `none` where there is nothing, `bytes` for what is neither JSON nor a form nor text.
        value: JSON's value, a form's fields by name, the text; else None.
        content: its bytes, without their Content-Encoding.
    """

    kind: Literal["none", "json", "form", "text", "bytes"]
    value: Any = None
    content: bytes = b""

    @property
    def fields(self) -> dict[str, Any] | None:
        """Those of a form or of a JSON object; None for a body that has none."""
        value = self.value
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def check_arrival(headers: Headers, raw: bytes) -> None:
    """Refuses a body that is too long, or did not arrive; costs nothing.

    Args:
        headers: the request's, names in lower case.
        raw: the body as it came.

    Raises:
        LengthRequiredError: it was sent in chunks: Azure's host passes on only what has a length.
        PayloadTooLargeError: it is longer than 10 MiB.
    """
    if not raw and "chunked" in headers.get("transfer-encoding", "").lower():
        raise LengthRequiredError(
            "The body was sent in chunks (Transfer-Encoding: chunked) and did not arrive; send it with a Content-Length"
        )
    if len(raw) > MAX_BODY_BYTES:
        raise PayloadTooLargeError(f"The body has {len(raw)} bytes; at most {MAX_BODY_BYTES} are taken")


async def read_json_object(headers: Headers, raw: bytes) -> dict[str, Any]:
    """The body of a route that takes JSON: an object, empty where there is no body.

    JSON is read under the types that clients set unasked, too: none, a form's, plain text's, and that of any bytes.

    Raises:
        UnsupportedMediaTypeError: the body is of another type, or in a coding or charset that can't be read.
        BadRequestError: it is no JSON object.
        PayloadTooLargeError: it is longer than 10 MiB when it is unpacked.
    """
    return await _beside_the_loop(_json_object, headers, raw)


async def read_body(headers: Headers, raw: bytes) -> Body:
    """The body of a route that takes whatever can be read.

    Under plain text it is JSON where it is an object, and under a form's type or that of any bytes where it is an
    object or an array: many a client sends JSON and leaves the type as its library has it.

    Raises:
        UnsupportedMediaTypeError: it has a coding or charset that can't be read.
        BadRequestError: it is not what its type says.
        PayloadTooLargeError: it is longer than 10 MiB when it is unpacked, or its files are in base64.
    """
    return await _beside_the_loop(_body, headers, raw)


async def _beside_the_loop(read: Callable[[Headers, bytes], ReadT], headers: Headers, raw: bytes) -> ReadT:
    if len(raw) > _LARGE_BYTES or "content-encoding" in headers:
        return await asyncio.to_thread(read, headers, raw)
    return read(headers, raw)


def _json_object(headers: Headers, raw: bytes) -> dict[str, Any]:
    content = _unpacked(headers, raw)
    if not content.strip():
        return {}
    media = MediaType.of(headers)
    if media.is_json:
        value = _json(content, media)
    elif media.name in (FORM, PLAIN_TEXT, ANY_BYTES):
        value = _json_of_any_type(content, media)
    else:
        raise _takes_json(media)
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    kind = {list: "an array", str: "a string", type(None): "null"}.get(cast("type[Any]", type(value)), "a value")
    raise BadRequestError(f"The body must be a JSON object, not {kind}")


def _json_of_any_type(content: bytes, media: MediaType) -> Any:
    try:
        return _json(content, media)
    except BadRequestError:
        if _begins_with(content, (b"{", b"[")):
            raise
    raise _takes_json(media)


def _takes_json(media: MediaType) -> UnsupportedMediaTypeError:
    return UnsupportedMediaTypeError(
        f"This takes JSON, not {media.name[:100]}: send it as Content-Type: application/json"
    )


def _body(headers: Headers, raw: bytes) -> Body:
    content = _unpacked(headers, raw)
    if not content.strip():
        return Body("none")
    media = MediaType.of(headers)
    if media.is_json:
        return Body("json", _json(content, media), content)
    if media.name in (PLAIN_TEXT, FORM, ANY_BYTES):
        signs = (b"{",) if media.name == PLAIN_TEXT else (b"{", b"[")
        found = _json_if_it_is(content, media, signs)
        if found is not None:
            return Body("json", found, content)
    if media.name == FORM:
        return Body("form", read_form(content.removeprefix(BOM_UTF8), media.codec), content)
    if media.name == MULTIPART:
        # Loaded when the first one comes: most apps never get one.
        from shared.handlers.multipart_bodies import read_multipart

        return Body("form", read_multipart(content, media.boundary, MAX_BODY_BYTES), content)
    if media.is_text:
        return Body("text", media.text_of(content), content)
    return Body("bytes", None, content)


def _unpacked(headers: Headers, raw: bytes) -> bytes:
    coding = headers.get("content-encoding")
    return decoded_body(raw, coding, MAX_BODY_BYTES) if coding and raw else raw


def _json(content: bytes, media: MediaType) -> Any:
    try:
        return _json_value(content, media)
    except ValueError as error:
        raise BadRequestError(f"The body is no JSON: {error}") from None


def _json_if_it_is(content: bytes, media: MediaType, signs: tuple[bytes, ...]) -> Any:
    """JSON that begins with one of these; None for what does not, or is none."""
    if not _begins_with(content, signs):
        return None
    try:
        return _json_value(content, media)
    except ValueError:
        return None


def _json_value(content: bytes, media: MediaType) -> Any:
    # JSON is UTF-8 whatever the charset says (RFC 8259, section 8.1); what is none may be what it says.
    try:
        return read_json(content)
    except ValueError:
        if media.codec is None or _is_utf_8(content):
            raise
    return read_json(media.text_of(content).encode())


def _begins_with(content: bytes, signs: tuple[bytes, ...]) -> bool:
    return content[:1000].removeprefix(BOM_UTF8).lstrip().startswith(signs)


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
