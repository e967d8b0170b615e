"""Bodies as they were before their Content-Encoding, unpacked within a bound."""

from __future__ import annotations

import zlib

from shared.errors import BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError

CODINGS = ("gzip", "deflate")
_ALIASES = {"x-gzip": "gzip"}
# Some senders name the charset here, and have applied nothing.
_NO_CODINGS = ("", "identity", "utf-8", "utf8")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# Each coding laid over another, and each member of a file, may blow up what is in it once more.
_MOST_CODINGS = 2
_MOST_MEMBERS = 1000
_PIECE_BYTES = 64 * 1024


def decoded_body(body: bytes, content_encoding: str, longest: int) -> bytes:
    """The body without its codings.

    Args:
        body: as it was sent.
        content_encoding: the header, whose last coding was applied last.
        longest: how many bytes it may have; no more than these are ever unpacked.

    Raises:
        UnsupportedMediaTypeError: a coding is not known, or there are more than two.
        BadRequestError: the body is not what the header says, or ends too early.
        PayloadTooLargeError: it is longer than `longest`.
    """
    named = [name.strip().lower() for name in content_encoding.split(",")]
    codings = [_ALIASES.get(name, name) for name in named if name not in _NO_CODINGS]
    unknown = next((coding for coding in codings if coding not in CODINGS), None)
    if unknown is not None:
        raise UnsupportedMediaTypeError(
            f"The Content-Encoding {unknown[:50]!r} can't be read; {' and '.join(CODINGS)} can", CODINGS
        )
    if len(codings) > _MOST_CODINGS:
        raise UnsupportedMediaTypeError(f"At most {_MOST_CODINGS} codings are read, one over the other", CODINGS)
    for coding in reversed(codings):
        try:
            body = _unpacked(body, coding, longest)
        except zlib.error:
            raise BadRequestError(f"The body is no {coding}, as its Content-Encoding says") from None
    return body


def _unpacked(body: bytes, coding: str, longest: int) -> bytes:
    # A gzip file may have several members one after the other (RFC 1952, section 2.2).
    pieces: list[bytes] = []
    left = longest
    place = members = 0
    while place < len(body):
        members += 1
        if members > _MOST_MEMBERS:
            raise BadRequestError(f"The body has more than {_MOST_MEMBERS} members of {coding}")
        unpacker = zlib.decompressobj(_window(body, coding))
        while not unpacker.eof:
            # In pieces: what follows the member's end is copied each time.
            piece = body[place : place + _PIECE_BYTES]
            if not piece:
                raise BadRequestError(f"The body's {coding} ends too early")
            unpacked = unpacker.decompress(piece, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise PayloadTooLargeError(f"The body has more than {longest} bytes when it is unpacked")
            pieces.append(unpacked)
            place += len(piece) - len(unpacker.unconsumed_tail) - len(unpacker.unused_data)
        if coding != "gzip":
            if place < len(body):
                raise BadRequestError(f"Something follows the body's {coding}")
            break
        while body[place : place + 1] == b"\x00":  # padding
            place += 1
    return b"".join(pieces)


def _window(body: bytes, coding: str) -> int:
    """What zlib calls the format: for `deflate` zlib's own (RFC 1950), or the bare one, which many senders mean."""
    if coding == "gzip":
        return _GZIP_WINDOW
    has_header = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
