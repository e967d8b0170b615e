"""Keys of table rows, made safe for any text."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
_LONGEST = 200


def key_text(value: str) -> str:
    """Any text as a part of a key: letters, digits, `.` and `-` as they are, the rest as `_` and hex, long ones hashed.

    Different texts give different keys. None has a character that Azure forbids in keys
    (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model), nor a colon.
    """
    escaped = _UNSAFE.sub(lambda match: "".join(f"_{byte:02x}" for byte in _utf8(match[0])), value)
    return escaped if len(escaped) <= _LONGEST else f"_sha256-{hashlib.sha256(_utf8(value)).hexdigest()}"


def key_hash(value: str) -> str:
    """A short fixed-length stand-in for a text in a key: 32 hex digits of its SHA-256."""
    return hashlib.sha256(_utf8(value)).hexdigest()[:32]


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
