"""The app's identity towards Azure; the SDK is loaded when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.settings.environment import get_settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def get_credential(client_id: str | None) -> AsyncTokenCredential:
    """The managed identity on Azure, else whoever is signed in on this machine (`az login`, environment variables).

    Args:
        client_id: of a user-assigned identity; None for the app's own.
    """
    if get_settings().hosted:
        from azure.identity.aio import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=client_id)
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id)
