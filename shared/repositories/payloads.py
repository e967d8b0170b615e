"""Payloads of a record: compressed JSON, in the row when small, else together in one blob."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from shared.storage import Blobs, MissingError

# A binary column holds 64 KiB, a row 1 MiB:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
# The thirteen payloads of a record can't come near to the latter.
LONGEST_INLINE_BYTES = 60 * 1024
# Compressing this much holds up the event loop for about a millisecond.
_LARGE_TEXT_CHARACTERS = 64 * 1024


class PayloadStore:
    """Puts payloads where they belong, and gets them back.

    A stored payload is bytes (compressed, to be kept in the row) or text (the name of the blob that it is in).

    Args:
        blobs: where large ones go.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def put(self, values: Mapping[str, Any], blob_name: str) -> dict[str, bytes | str]:
        """Stores payloads (JSON-safe values) by name; the large ones in one blob of this name.

        The blob is there when this returns, so that a row which names it is never without it.

        Raises:
            ValueError: a value is no JSON.
        """
        texts = {name: json.dumps(value, allow_nan=False, separators=(",", ":")) for name, value in values.items()}
        if sum(map(len, texts.values())) > _LARGE_TEXT_CHARACTERS:
            contents = await asyncio.to_thread(_compress, texts)
        else:
            contents = _compress(texts)
        large = {name: content for name, content in contents.items() if len(content) > LONGEST_INLINE_BYTES}
        if large:
            await self._blobs.put(blob_name, _pack(large))
        return {name: blob_name if name in large else content for name, content in contents.items()}

    async def get(self, stored: Mapping[str, bytes | str]) -> dict[str, Any]:
        """Reads payloads back.

        Raises:
            MissingError: a blob is gone.
        """
        contents = {name: content for name, content in stored.items() if isinstance(content, bytes)}
        for blob_name in {name for name in stored.values() if isinstance(name, str)}:
            blob = await self._blobs.get(blob_name)
            if blob is None:
                raise MissingError(f"The blob {blob_name} of a record is gone")
            packed = _unpack(blob)
            contents |= {name: packed[name] for name, place in stored.items() if place == blob_name}
        if sum(map(len, contents.values())) > LONGEST_INLINE_BYTES:
            return await asyncio.to_thread(_decode, contents)
        return _decode(contents)


def _compress(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {name: zlib.compress(text.encode("ascii")) for name, text in texts.items()}


def _decode(contents: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: json.loads(zlib.decompress(content)) for name, content in contents.items()}


def _pack(contents: Mapping[str, bytes]) -> bytes:
    """A line of JSON with names and lengths, and then the contents."""
    lengths = {name: len(content) for name, content in contents.items()}
    return json.dumps(lengths).encode("ascii") + b"\n" + b"".join(contents.values())


def _unpack(blob: bytes) -> dict[str, bytes]:
    header, _, rest = blob.partition(b"\n")
    contents: dict[str, bytes] = {}
    for name, length in cast("dict[str, int]", json.loads(header)).items():
        contents[name], rest = rest[:length], rest[length:]
    return contents
