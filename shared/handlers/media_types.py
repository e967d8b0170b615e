"""What Content-Type says of a body, and its text by what that says."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Self

from shared.errors import BadRequestError, UnsupportedMediaTypeError

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
PLAIN_TEXT = "text/plain"
XML = "application/xml"
ANY_BYTES = "application/octet-stream"

UTF_8 = "utf-8"
_TEXT_UNDER_APPLICATION = frozenset(
    {
        "csv", "graphql", "javascript", "jsonl", "ndjson", "sql", "toml", "x-javascript", "x-jsonlines", "x-ndjson",
        "x-yaml", "xml", "yaml",
    }
)  # fmt: skip
# What text is written in, by Python's names; of its codecs some are none of these, and some are not for strangers.
_CHARSETS = frozenset(
    {
        "utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be", *(f"iso8859-{part}" for part in range(1, 17)),
        *(f"cp{page}" for page in (437, 850, 852, 866, 874, 932, 949, 950, *range(1250, 1259))), "koi8-r", "koi8-u",
        "mac-roman", "shift_jis", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030", "big5", "euc_kr", "tis-620",
    }
)  # fmt: skip
# https://www.w3.org/TR/xml/#NT-EncodingDecl
_XML_ENCODING = re.compile(rb"""^\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,50})["']""")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type.

    Attributes:
        name: type and subtype, in lower case; a body without a type is taken for JSON, one with a type that is none for
            plain text.
        charset: as the header names it, None when it names none.
        boundary: between the parts of multipart, None when the header has none.
    """

    name: str
    charset: str | None = None
    boundary: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """That of a request; names of headers are in lower case."""
        return cls.read(headers.get("content-type", ""))

    @classmethod
    def read(cls, header: str) -> Self:
        """That of a Content-Type as it is written."""
        if not header.strip():
            return cls(JSON)
        message = Message()
        message["content-type"] = header.encode("ascii", "replace").decode("ascii")
        return cls(message.get_content_type(), _option(message, "charset"), _option(message, "boundary"))

    @property
    def is_json(self) -> bool:
        return self.name in (JSON, "text/json") or self.name.endswith("+json")

    @property
    def is_text(self) -> bool:
        """Whether a body of this type is text: XML, YAML and their like are, whatever they begin with."""
        kind, _, subtype = self.name.partition("/")
        return kind == "text" or subtype.endswith(("+xml", "+yaml")) or subtype in _TEXT_UNDER_APPLICATION

    @property
    def codec(self) -> str | None:
        """Python's name of the charset; None when none is named.

        Raises:
            UnsupportedMediaTypeError: it is none that can be read.
        """
        return _codec(self.charset) if self.charset else None

    def text_of(self, content: bytes) -> str:
        """A body's text, in the charset that is declared: by a byte order mark, this type, or XML's first line.

        Raises:
            UnsupportedMediaTypeError: the charset is none that can be read.
            BadRequestError: the body is not in it.
        """
        if content.startswith(codecs.BOM_UTF8):
            return decoded_text(content[len(codecs.BOM_UTF8) :], UTF_8, "The body")
        codec = self.codec
        if codec is None and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            codec = "utf-16"
        if codec is None and self.name.endswith("xml"):
            found = _XML_ENCODING.match(content[:300])
            codec = _codec(found[1].decode("ascii")) if found else None
        return decoded_text(content, codec or UTF_8, "The body")


def decoded_text(content: bytes, codec: str, what: str) -> str:
    """Text in a charset.

    Raises:
        BadRequestError: `what` is not in it.
    """
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        raise BadRequestError(f"{what} is no {codec} text; a Content-Type may name the charset of a body") from None


def _codec(charset: str) -> str:
    try:
        found = codecs.lookup(charset).name
    except (LookupError, ValueError):
        found = ""
    if found not in _CHARSETS:
        raise UnsupportedMediaTypeError(f"The charset {charset[:50]!r} can't be read")
    return found


def _option(message: Message, name: str) -> str | None:
    found = message.get_param(name, header="content-type")
    text = collapse_rfc2231_value(found).strip() if found is not None else ""
    return text or None
