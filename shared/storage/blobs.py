"""Blobs: what is too large for a row. A write costs about a hundred times one to a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.storage.calls import Calls
from shared.storage.errors import MissingError

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

CALL_LIMIT_SECONDS = 60.0


class Blobs:
    """A container of blobs. All methods raise as `Calls.run` does.

    Args:
        calls: makes the calls.
        client: gives the SDK's client.
    """

    def __init__(self, calls: Calls, client: Callable[[], ContainerClient]) -> None:
        self._calls = calls
        self._client = client

    async def put(self, name: str, content: bytes) -> None:
        """Writes a blob, over what is there."""
        await self._calls.run(
            lambda: self._client().upload_blob(name, content, overwrite=True),
            lambda: self._client().create_container(),
            limit_seconds=CALL_LIMIT_SECONDS,
        )

    async def get(self, name: str) -> bytes | None:
        """Reads a blob whole; None when there is none."""

        async def read() -> bytes:
            return await (await self._client().download_blob(name)).readall()

        try:
            return await self._calls.run(read, limit_seconds=CALL_LIMIT_SECONDS)
        except MissingError:
            return None

    async def delete(self, name: str) -> None:
        """Removes a blob, if it is there."""
        try:
            await self._calls.run(lambda: self._client().delete_blob(name))
        except MissingError:
            return
