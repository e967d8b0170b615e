"""Blobs of a storage account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import SettingsError
from shared.storage.azure.calls import Calls
from shared.storage.errors import AlreadyExistsError, MissingError
from shared.storage.interface import BlobProperties, Blobs, UploadUrl

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey
    from azure.storage.blob.aio import ContainerClient

CALL_LIMIT_SECONDS = 60.0


class AzureBlobs(Blobs):
    """A container of blobs of a storage account.

    Args:
        calls: makes the calls.
        client: gives the SDK's client.
        delegated_key: gives a key of the app's identity that signs until a moment; None where it comes with no
            identity.
    """

    def __init__(
        self,
        calls: Calls,
        client: Callable[[], ContainerClient],
        delegated_key: Callable[[datetime], Awaitable[UserDelegationKey | None]],
    ) -> None:
        self._calls = calls
        self._client = client
        self._delegated_key = delegated_key

    async def put(self, name: str, content: bytes) -> None:
        await self._calls.run(
            lambda: self._client().upload_blob(name, content, overwrite=True),
            lambda: self._client().create_container(),
            limit_seconds=CALL_LIMIT_SECONDS,
        )

    async def get(self, name: str) -> bytes | None:
        async def read() -> bytes:
            return await (await self._client().download_blob(name)).readall()

        try:
            return await self._calls.run(read, limit_seconds=CALL_LIMIT_SECONDS)
        except MissingError:
            return None

    async def delete(self, name: str) -> None:
        try:
            await self._calls.run(lambda: self._client().delete_blob(name))
        except MissingError:
            return

    async def properties(self, name: str) -> BlobProperties | None:
        try:
            found = await self._calls.run(lambda: self._client().get_blob_client(name).get_blob_properties())
        except MissingError:
            return None
        return BlobProperties(found.size, (found.content_settings.content_type or "").lower())

    async def upload_url(self, name: str, expires_at: datetime) -> UploadUrl:
        """See `Blobs.upload_url`: a service SAS, or a user delegation SAS where the app comes with its identity.

        https://learn.microsoft.com/rest/api/storageservices/create-service-sas,
        https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas

        Raises:
            SettingsError: there is neither an account key nor an identity to sign with.
        """
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        # A client can't create the container that it puts its blob into.
        with suppress(AlreadyExistsError):
            await self._calls.run(lambda: self._client().create_container())
        blob = self._client().get_blob_client(name)
        key: object = getattr(blob.credential, "account_key", None)
        delegated = None if isinstance(key, str) else await self._delegated_key(expires_at)
        if blob.account_name is None or (delegated is None and not isinstance(key, str)):
            raise SettingsError("AzureWebJobsStorage has no AccountKey, which signs the URLs for uploads")
        signature = generate_blob_sas(
            blob.account_name,
            blob.container_name,
            blob.blob_name,
            account_key=key if isinstance(key, str) else None,
            user_delegation_key=delegated,
            permission=BlobSasPermissions(create=True),
            expiry=expires_at,
            protocol="https" if blob.url.startswith("https:") else None,
        )
        return UploadUrl(f"{blob.url}?{signature}", blob.url)
