"""The storage account of this process: one client for each service, made on first use and shared by all.

Clients belong to the event loop that first used them, the one that serves triggers.
"""
# The SDK leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import operator
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from shared.errors import SettingsError, StorageUnavailableError
from shared.settings.identity import get_credential
from shared.settings.storage_account import StorageSettings
from shared.storage.azure.blobs import AzureBlobs
from shared.storage.azure.calls import Calls
from shared.storage.azure.queues import AzureQueue
from shared.storage.azure.tables import AzureTable
from shared.storage.errors import MissingError
from shared.storage.interface import Blobs, Queue, Storage, Table

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob import UserDelegationKey
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

    from shared.storage.azure.transport import CountingTransport
    from shared.storage.counting import Service

CHECK_LIMIT_SECONDS = 2.0
# The SDKs would log every request at INFO, a screenful each, which costs time and, on Azure, money. They ask twice a
# request whether anybody listens, and `not_` says no for every level there is.
_NO_LOGGER = SimpleNamespace(isEnabledFor=operator.not_)
_DELEGATED_FOR = timedelta(hours=4)


class AzureStorage(Storage):
    """A storage account.

    Args:
        account: how to reach it, or its connection string; None for one that no call may be made to.
    """

    def __init__(self, account: StorageSettings | str | None) -> None:
        # The table client refuses `UseDevelopmentStorage=true;`, which the others take.
        text = account.strip().rstrip(";") if isinstance(account, str) else ""
        self._account = account if isinstance(account, StorageSettings) else StorageSettings(connection_string=text)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tables: TableServiceClient | None = None
        self._queues: QueueServiceClient | None = None
        self._blobs: BlobServiceClient | None = None
        self._transports: list[CountingTransport] = []
        self._credential: AsyncTokenCredential | None = None
        self._delegated: tuple[datetime, UserDelegationKey] | None = None
        self._calls = Calls()

    @property
    def is_available(self) -> bool:
        return self._calls.reached

    def table(self, name: str) -> Table:
        return AzureTable(self._calls, lambda: self._table_service().get_table_client(name))

    def queue(self, name: str) -> Queue:
        return AzureQueue(self._calls, lambda: self._queue_service().get_queue_client(name))

    def blobs(self, container: str) -> Blobs:
        return AzureBlobs(
            self._calls, lambda: self._blob_service().get_container_client(container), self._delegated_key_until
        )

    async def _delegated_key_until(self, moment: datetime) -> UserDelegationKey | None:
        if not self._account.uses_identity:
            return None
        if self._delegated is None or self._delegated[0] < moment:
            now = datetime.now(UTC)
            # One key for many URLs. Clocks differ, and a key is of use from its start on only.
            until = max(moment, now + _DELEGATED_FOR)
            start = now - timedelta(minutes=5)
            key = await self._calls.run(lambda: self._blob_service().get_user_delegation_key(start, until))
            self._delegated = (until, key)
        return self._delegated[1]

    async def check(self) -> bool:
        async def ask() -> None:
            # An entity, a table even, that is not there is an answer too.
            await self._table_service().get_table_client("Executions").get_entity("check", "check")

        try:
            await self._calls.run(ask, limit_seconds=CHECK_LIMIT_SECONDS, delays=())
        except MissingError:
            return True
        except StorageUnavailableError:
            return False
        return True

    async def close(self) -> None:
        transports, self._transports = self._transports, []
        self._tables = self._queues = self._blobs = self._loop = None
        credential, self._credential = self._credential, None
        for transport in transports:
            await transport.close()
        if credential is not None:
            await credential.close()

    # The SDKs' own retries are off: `Calls` repeats every kind of call in the same way.

    def _table_service(self) -> TableServiceClient:
        self._enter_loop()
        if self._tables is None:
            from azure.data.tables.aio import TableServiceClient

            made: TableServiceClient = self._service(TableServiceClient, "tables", self._account.table_url)
            self._tables = made
        return self._tables

    def _queue_service(self) -> QueueServiceClient:
        self._enter_loop()
        if self._queues is None:
            from azure.storage.queue.aio import QueueServiceClient

            made: QueueServiceClient = self._service(QueueServiceClient, "queues", self._account.queue_url)
            self._queues = made
        return self._queues

    def _blob_service(self) -> BlobServiceClient:
        self._enter_loop()
        if self._blobs is None:
            from azure.storage.blob.aio import BlobServiceClient

            made: BlobServiceClient = self._service(BlobServiceClient, "blobs", self._account.blob_url)
            self._blobs = made
        return self._blobs

    def _service(self, client: Any, service: Service, url: str) -> Any:
        options: dict[str, Any] = {"transport": self._transport(service), "retry_total": 0, "logger": _NO_LOGGER}
        if url:
            if self._credential is None:
                self._credential = get_credential(self._account.client_id)
            return client(url, credential=self._credential, **options)
        with _connection_string_errors():
            return client.from_connection_string(self._account.connection_string, **options)

    def _transport(self, service: Service) -> CountingTransport:
        from shared.storage.azure.transport import CountingTransport

        transport = CountingTransport(service)
        self._transports.append(transport)
        return transport

    def _enter_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "Storage was first used in another event loop, and its connections belong to that one; "
                "make the call there"
            )


@contextmanager
def _connection_string_errors() -> Generator[None]:
    try:
        yield
    except ValueError:
        # Not chained: the SDK's error may quote the string, which holds the key.
        raise SettingsError("AzureWebJobsStorage is no storage connection string") from None
