"""The HTTP transport of the storage clients. Imported on first use, since it needs aiohttp."""
# The SDK leaves the arguments of its transport without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.request import getproxies

from azure.core.pipeline.transport import AioHttpTransport

from shared.storage.counting import Service, count_request

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 15
LARGEST_PIECE_BYTES = 64 * 1024


class CountingTransport(AioHttpTransport):
    """Sends requests, large ones in pieces, and counts each that it sends.

    Not counted: aiohttp repeats an idempotent request once by itself when a kept connection turns out to be dead.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(
            connection_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            # aiohttp would look for the proxy and for .netrc in a thread, before each request.
            use_env_settings=bool(getproxies()),
        )
        self._service: Service = service

    async def send(self, request: Any, **config: Any) -> Any:
        count_request(self._service)
        if isinstance(request.data, bytes) and len(request.data) > LARGEST_PIECE_BYTES:
            # aiohttp writes bytes in one go and a stream piece by piece, which leaves the event loop to others.
            request.data = BytesIO(request.data)
        return await super().send(request, **config)
