"""Bodies of type multipart/form-data (RFC 7578): their fields, and their files as JSON."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email.utils import collapse_rfc2231_value, decode_rfc2231
from typing import Any
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import BadRequestError, PayloadTooLargeError
from shared.handlers.encoded_fields import MOST_FIELDS, collected
from shared.handlers.file_names import clean_file_name
from shared.handlers.media_types import ANY_BYTES, UTF_8, MediaType, decoded_text

_NAMELESS = "file"
_EXTENDED_NAME = re.compile(rb""";\s*filename\*\s*=\s*"?([^;"]*)""", re.IGNORECASE)
# What browsers write for these characters in a name.
# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
_ESCAPED = (("%0D", "\r"), ("%0A", "\n"), ("%22", '"'))
# A piece is worked on without a pause for others.
_PIECE_BYTES = 64 * 1024


def read_multipart(content: bytes, boundary: str | None, longest: int) -> dict[str, Any]:
    """The fields, of which one that comes more than once is a list.

    A file is {name, contentType, size, content}, its content in base64, and its name without a path. What a browser
    sends for a file that nobody has chosen is left out.

    Args:
        content: the body.
        boundary: between its parts, as Content-Type says.
        longest: how many characters all fields together may have.

    Raises:
        BadRequestError: the body is no multipart, ends too early, or has more than 1,000 fields.
        PayloadTooLargeError: the fields are longer than `longest`; files grow by a third in base64.
        UnsupportedMediaTypeError: a field's charset can't be read.
    """
    if not boundary:
        raise BadRequestError("The Content-Type of a multipart body must name its boundary")
    reader = _Reader(longest)
    try:
        parser = MultipartParser(boundary.encode("ascii"), reader.callbacks)
        for place in range(0, len(content), _PIECE_BYTES):
            parser.write(content[place : place + _PIECE_BYTES])
    except FormParserError as error:
        raise BadRequestError(f"The body is no multipart/form-data: {error}") from None
    if not reader.has_ended:
        raise BadRequestError("The body is no multipart/form-data: it ends before its last boundary")
    return collected(reader.fields)


class _Reader:
    """Collects what the parser finds."""

    def __init__(self, longest: int) -> None:
        self.fields: list[tuple[str, Any]] = []
        self.has_ended = False
        self._longest = longest
        self._left = longest
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._content: list[bytes] = []

    @property
    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name_header,
            "on_header_value": self._fill_header,
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_FIELDS:
            raise BadRequestError(f"The form has more than {MOST_FIELDS} fields")
        self._headers = {}
        self._content = []

    def _name_header(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _fill_header(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.strip().lower()] = self._header_value.strip()
        self._header_name = self._header_value = b""

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise BadRequestError("A part of the multipart body has no name in its Content-Disposition")
        name = _unescaped(decoded_text(options[b"name"], UTF_8, "A field's name"))
        kind = self._headers.get(b"content-type", b"").decode("latin-1")
        content = b"".join(self._content)
        file_name = _file_name_in(disposition, options)
        if file_name is None:
            media = MediaType.read(kind)
            text = decoded_text(content, media.codec or UTF_8, f"The field {name[:100]!r}")
            self._take(name, text, len(text))
        elif file_name or content:
            encoded = base64.b64encode(content).decode("ascii")
            file = {
                "name": clean_file_name(file_name) or _NAMELESS,
                "contentType": MediaType.read(kind).name if kind else ANY_BYTES,
                "size": len(content),
                "content": encoded,
            }
            self._take(name, file, len(encoded))

    def _take(self, name: str, value: Any, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise PayloadTooLargeError(
                f"The form has more than {self._longest} characters; files, as base64, have a third more than bytes"
            )
        self.fields.append((name, value))

    def _end_all(self) -> None:
        self.has_ended = True


def _file_name_in(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """The name of a part that is a file; None for a field.

    `filename*` (RFC 5987) is not for forms by RFC 7578, section 4.2, and is what some libraries send all the same.
    """
    if b"filename" in options:
        return _unescaped(options[b"filename"].decode(UTF_8, "replace"))
    extended = _EXTENDED_NAME.search(disposition)
    if extended is None:
        return None
    charset, _, text = decode_rfc2231(extended[1].decode("latin-1"))
    return collapse_rfc2231_value((charset or UTF_8, "", unquote(text, "latin-1")))


def _unescaped(name: str) -> str:
    for escaped, character in _ESCAPED:
        name = name.replace(escaped, character)
    return name
