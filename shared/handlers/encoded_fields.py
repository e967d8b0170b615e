"""Fields as queries and HTML's forms write them: `a=1&b=x+y`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from shared.errors import BadRequestError
from shared.handlers.media_types import UTF_8, decoded_text

MOST_FIELDS = 1000
_PIECE_BYTES = 64 * 1024

FieldValues = Mapping[str, str | list[str]]


def read_query(url: str) -> FieldValues:
    """The query of an address as it was sent: a parameter that comes more than once is a list, an empty one stays.

    The platform's own mapping joins the former by commas and leaves the latter out.

    Raises:
        BadRequestError: it has more than 1,000 parameters, or one whose text is no UTF-8.
    """
    query = url.partition("#")[0].partition("?")[2]
    return _read(query.encode("utf-8", "replace"), UTF_8, "query", "parameters")


def read_form(content: bytes, codec: str | None) -> FieldValues:
    """The fields of a form's body; one that comes more than once is a list.

    Args:
        content: the body, without a byte order mark.
        codec: what its text is in; None for UTF-8.

    Raises:
        BadRequestError: it has more than 1,000 fields, or one whose text is in another charset.
    """
    return _read(content, codec or UTF_8, "form", "fields")


def _read(content: bytes, codec: str, what: str, fields: str) -> FieldValues:
    if content.count(b"&") >= MOST_FIELDS:
        raise BadRequestError(f"The {what} has more than {MOST_FIELDS} {fields}")
    pairs: list[tuple[str, str]] = []
    for field in filter(None, content.split(b"&")):
        written, _, value = field.partition(b"=")
        name = _text(written, codec, f"A name in the {what}")
        pairs.append((name, _text(value, codec, f"{name[:100]!r} in the {what}")))
    return collected(pairs)


def collected(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Values by name; those of a name that comes more than once are a list."""
    fields: dict[str, Any] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif name in repeated:
            cast("list[Any]", fields[name]).append(value)
        else:
            repeated.add(name)
            fields[name] = [fields[name], value]
    return fields


def joined(value: str | list[str]) -> str:
    """The value as the platform has it: that of a parameter that comes more than once with commas between."""
    return value if isinstance(value, str) else ",".join(value)


def _text(written: bytes, codec: str, what: str) -> str:
    return decoded_text(_unquoted(written.replace(b"+", b" ")), codec, what)


def _unquoted(written: bytes) -> bytes:
    pieces: list[bytes] = []
    place = 0
    while place < len(written):
        # In pieces, since each is worked on without a pause for others; an escape is not cut.
        end = place + _PIECE_BYTES
        cut = written.rfind(b"%", end - 2, end)
        end = cut if cut > place else end
        pieces.append(unquote_to_bytes(written[place:end]))
        place = end
    return b"".join(pieces)
