"""The lock that lets one of several instances of an app do something: a lease on a blob, as Azure's host takes it."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

logger = logging.getLogger("dev.host")

CONTAINER = "azure-webjobs-hosts"
# The shortest that there is, and not the 60 s of Azure's host, so that another instance takes over soon after a crash:
# https://learn.microsoft.com/rest/api/storageservices/lease-blob
LEASE_SECONDS = 15
_CLIENT_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 10}


class HostLock:
    """A lock, and a small blob for what its holder knows.

    Args:
        connection: of the storage account.
        lock_name, status_name: of the two blobs in `azure-webjobs-hosts`.

    Raises:
        ValueError: the connection string can't be used.
    """

    def __init__(self, connection: str, lock_name: str, status_name: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection, **_CLIENT_OPTIONS)
        self._container = self._service.get_container_client(CONTAINER)
        self._lock = self._container.get_blob_client(lock_name)
        self._status = self._container.get_blob_client(status_name)
        self._lease: Any = None
        self._reachable = True

    async def acquire(self) -> bool:
        """Takes the lock; false when another instance has it, or storage is away."""
        try:
            with contextlib.suppress(ResourceExistsError):
                await self._container.create_container()
            with contextlib.suppress(ResourceExistsError):
                await self._lock.upload_blob(b"")
            self._lease = await self._lock.acquire_lease(LEASE_SECONDS)
        except ResourceExistsError:
            return False
        except AzureError as error:
            self._log_failure(error)
            return False
        self._reachable = True
        return True

    async def renew(self) -> bool:
        """Keeps the lock for another `LEASE_SECONDS`; false when it is lost."""
        try:
            await self._lease.renew()
        except AzureError as error:
            self._log_failure(error)
            return False
        return True

    async def release(self) -> None:
        """Gives the lock back, so that another instance needs not wait."""
        if self._lease is not None:
            with contextlib.suppress(AzureError):
                await self._lease.release()
            self._lease = None

    async def read_status(self) -> bytes | None:
        """What was written last; None when there is nothing, or it can't be read."""
        try:
            return await (await self._status.download_blob()).readall()
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            self._log_failure(error)
            return None

    async def write_status(self, content: bytes) -> None:
        """Keeps this; best effort, as in Azure's host."""
        try:
            await self._status.upload_blob(content, overwrite=True)
        except AzureError as error:
            self._log_failure(error)

    async def close(self) -> None:
        await self._service.close()

    def _log_failure(self, error: AzureError) -> None:
        if self._reachable:
            self._reachable = False
            logger.warning("The lock %s can't be reached: %s", self._lock.blob_name, str(error).partition("\n")[0])
