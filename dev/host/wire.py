"""The line between supervisor and worker: frames of a JSON header and a raw body over one loopback connection."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any, cast

HOST = "127.0.0.1"

_LENGTHS = struct.Struct("!II")  # of header and body, in bytes


class Connection(asyncio.Protocol):
    """One end of the line.

    Args:
        received: called with header and body of each frame, in order.
        lost: called once, when the line is closed by either end.
    """

    def __init__(self, received: Callable[[dict[str, Any], bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._wanted = _LENGTHS.size

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Sends a frame; does nothing once the line is closed.

        Raises:
            UnicodeEncodeError: the header has text that is no Unicode (lone surrogates).
        """
        encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines((_LENGTHS.pack(len(encoded), len(body)), encoded, body))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._wanted:
            header_size, body_size = _LENGTHS.unpack_from(self._buffer)
            end_of_header = _LENGTHS.size + header_size
            end = end_of_header + body_size
            if len(self._buffer) < end:
                self._wanted = end
                return
            header = json.loads(self._buffer[_LENGTHS.size : end_of_header])
            body = bytes(self._buffer[end_of_header:end])
            del self._buffer[:end]
            self._wanted = _LENGTHS.size
            self._received(header, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named so by asyncio
        self._lost()
