"""Secrets by reference: app settings, and a key vault, whose SDK is loaded when the first secret of it is asked for."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from shared.context import SecretReference
from shared.errors import ConfigurationError, StorageUnavailableError
from shared.settings.identity import get_credential
from shared.ttl_cache import TtlCache

if TYPE_CHECKING:
    from azure.keyvault.secrets.aio import SecretClient

logger = logging.getLogger(__name__)

# A vault takes 4,000 calls in ten seconds: https://learn.microsoft.com/azure/key-vault/general/service-limits
TTL_SECONDS = 300.0
STALE_SECONDS = 3600.0
CALL_LIMIT_SECONDS = 10.0
# A reference that leads nowhere is not tried again for so long.
_FAILED_SECONDS = 30.0

_SETTING = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,127})")
# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name
_VAULT_SECRET = re.compile(r"([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32}))?")
# What the platform and the app itself live on is not for workflows.
_PLATFORMS_OWN = re.compile(
    r"(AzureWebJobs|AzureFunctions|WEBSITE_|FUNCTIONS_|IDENTITY_|MSI_|APPLICATIONINSIGHTS_|CONTAINER_|MACHINEKEY_"
    r"|AZURE_CLIENT_|AZURE_FEDERATED_|MICROSOFT_PROVIDER_|OTEL_)",
    re.IGNORECASE,
)


def setting_named_by(reference: str) -> str | None:
    """The app setting that a reference names; None when it names a secret of the vault.

    Raises:
        ValueError: it is neither, or an app setting that is not for workflows; says what is wrong.
    """
    if not reference.startswith("env:"):
        if _VAULT_SECRET.fullmatch(reference) is None:
            raise ValueError("must be env:NAME, or the name of a secret in the key vault, with or without /VERSION")
        return None
    match = _SETTING.fullmatch(reference)
    if match is None:
        raise ValueError("must name an app setting after env:")
    if _PLATFORMS_OWN.match(match[1]):
        raise ValueError("names a setting of the platform's own, which is not for workflows")
    return match[1]


def missing_setting(reference: str) -> str | None:
    """The app setting that a reference names and that is not there, or is empty; None when nothing is missing."""
    name = setting_named_by(reference)
    return name if name is not None and not os.environ.get(name) else None


class SecretStore:
    """Looks secrets up, and caches those of the vault for five minutes.

    Args:
        vault_url: of the key vault; None when there is none.
        client_id: of the managed identity; None for the app's only one.
    """

    def __init__(self, vault_url: str | None, client_id: str | None) -> None:
        self._vault_url = vault_url
        self._client_id = client_id
        self._client: SecretClient | None = None
        self._cached = TtlCache(self._from_vault, ttl_seconds=TTL_SECONDS, stale_seconds=STALE_SECONDS)
        self._failed: dict[str, tuple[float, str]] = {}

    async def get(self, key: str, reference: SecretReference) -> str:
        """The secret.

        Args:
            key: of the configuration value, for messages.
            reference: its value.

        Raises:
            ConfigurationError: there is no such secret, or it can't be had.
        """
        try:
            name = setting_named_by(reference.text)
        except ValueError as error:
            raise ConfigurationError(f"The reference of the secret {key!r} {error}") from None
        if name is not None:
            secret = os.environ.get(name)
            if not secret:
                error = ConfigurationError(f"The secret {key!r} points to an app setting that is not there")
                # Not in the message, which a caller may see.
                error.add_note(f"The app setting is {name}")
                raise error
            return secret
        if self._vault_url is None:
            raise ConfigurationError(f"The secret {key!r} is in a key vault, and KEY_VAULT_URL is not set")
        until, reason = self._failed.get(reference.text, (0.0, ""))
        if time.monotonic() >= until:
            try:
                return await self._cached.get(reference.text)
            except (_NoSuchSecretError, StorageUnavailableError) as error:
                reason = str(error)
                self._failed[reference.text] = (time.monotonic() + _FAILED_SECONDS, reason)
        raise ConfigurationError(f"The secret {key!r} {reason}")

    def invalidate(self) -> None:
        """Has secrets looked up anew at once."""
        self._cached.invalidate()
        self._failed.clear()

    async def close(self) -> None:
        """Closes the connection to the vault."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _from_vault(self, reference: str) -> str:
        from azure.core.exceptions import (
            AzureError,
            ClientAuthenticationError,
            HttpResponseError,
            ResourceNotFoundError,
        )

        name, _, version = reference.partition("/")
        try:
            async with asyncio.timeout(CALL_LIMIT_SECONDS):
                found = await self._vault().get_secret(name, version or None)
        except ResourceNotFoundError:
            raise _NoSuchSecretError("is not in the key vault") from None
        except (TimeoutError, AzureError, ValueError) as error:
            # ValueError: an answer that is none of a vault's.
            status = error.status_code if isinstance(error, HttpResponseError) else None
            # What the vault says names it; that is for the operators.
            logger.warning("A secret can't be read from the key vault: %s, status %s", type(error).__name__, status)
            if status == HTTPStatus.FORBIDDEN:
                raise _NoSuchSecretError("may not be read by this app") from None
            if isinstance(error, ClientAuthenticationError):
                raise _NoSuchSecretError("can't be read: the app has no identity that the key vault knows") from None
            raise StorageUnavailableError("can't be read: the key vault is out of reach") from None
        if not found.value:
            raise _NoSuchSecretError("is empty")
        return found.value

    def _vault(self) -> SecretClient:
        if self._client is None:
            from azure.keyvault.secrets.aio import SecretClient

            assert self._vault_url is not None
            # Somebody's run waits for it.
            self._client = SecretClient(self._vault_url, get_credential(self._client_id), retry_total=2)
        return self._client


class _NoSuchSecretError(Exception):
    """The reference leads to nothing that the app may read; the message says why."""
