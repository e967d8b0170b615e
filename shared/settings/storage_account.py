"""Which storage account the app uses: the settings that begin with AzureWebJobsStorage, as Azure's host reads them.

https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

NAME = "AzureWebJobsStorage"
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"

# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
_SERVICES = ("blob", "queue", "table")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """A storage account, and how the app proves who it is.

    Attributes:
        connection_string: holds a key or a signature; empty where an identity is used.
        blob_url, queue_url, table_url: of the services, for an identity; else empty.
        client_id: of a user-assigned identity; None for the app's own.
    """

    connection_string: str = ""
    blob_url: str = ""
    queue_url: str = ""
    table_url: str = ""
    client_id: str | None = None

    @property
    def uses_identity(self) -> bool:
        """Whether the app comes with its identity instead of a key."""
        return not self.connection_string


def read_storage_settings(environ: Mapping[str, str], problems: list[str]) -> StorageSettings | None:
    """Reads and checks the settings.

    Args:
        environ: the environment variables.
        problems: gets a sentence for each mistake, none of which repeats a value.

    Returns:
        The account; None when no setting names one, or wrongly.
    """
    values = {
        name.removeprefix(NAME): value.strip()
        for name, value in environ.items()
        if name.startswith(NAME) and value.strip()
    }
    connection = values.pop("", "").rstrip(";")
    before = len(problems)
    if connection:
        if values:
            problems.append(f"{NAME} and {NAME}{min(values)} are both set; keep the one that is meant")
        problems += [
            f"{NAME} is no storage connection string: {problem}" for problem in _connection_problems(connection)
        ]
        return StorageSettings(connection_string=connection) if len(problems) == before else None
    if not values:
        return None
    urls = _urls(values, problems)
    credential = values.get("__credential", "managedidentity")
    if credential.lower() != "managedidentity":
        problems.append(f"{NAME}__credential must be managedidentity, or be left out")
    client_id = values.get("__clientId")
    if client_id is not None and not _is_guid(client_id):
        problems.append(f"{NAME}__clientId must be the client id of a managed identity, which is a GUID")
    if len(problems) > before:
        return None
    return StorageSettings(blob_url=urls["blob"], queue_url=urls["queue"], table_url=urls["table"], client_id=client_id)


def _urls(values: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    account = values.get("__accountName")
    if account is not None and _ACCOUNT_NAME.fullmatch(account) is None:
        problems.append(f"{NAME}__accountName must be the account's name: 3 to 24 lower-case letters and digits")
    urls: dict[str, str] = {}
    for service in _SERVICES:
        name = f"__{service}ServiceUri"
        if name in values:
            urls[service] = values[name].rstrip("/")
            if not is_safe_url(values[name]):
                problems.append(f"{NAME}{name} must be an https:// address")
        elif account is not None:
            urls[service] = f"https://{account}.{service}.core.windows.net"
        else:
            problems.append(f"{NAME}{name} is missing; set it, or {NAME}__accountName")
    return urls


def is_safe_url(text: str) -> bool:
    """Whether a token may be sent there: https, or this machine."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return bool(url.hostname) and (url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK))


def _connection_problems(connection: str) -> list[str]:
    if connection.lower() == DEVELOPMENT_STORAGE.lower():
        return []
    parts = [part.partition("=") for part in connection.split(";") if part.strip()]
    if any(not equals for _, equals, _ in parts):
        return [f"it must be {DEVELOPMENT_STORAGE}, or parts NAME=VALUE with semicolons between them"]
    values = {name.strip().lower(): value.strip() for name, _, value in parts}
    problems: list[str] = []
    endpoints = [f"{service}endpoint" in values for service in _SERVICES]
    if "accountname" not in values and not all(endpoints):
        problems.append("AccountName is missing")
    if "accountkey" not in values and "sharedaccesssignature" not in values:
        problems.append("AccountKey is missing (or SharedAccessSignature)")
    if "accountkey" in values and not _is_base64(values["accountkey"]):
        problems.append("AccountKey is no base64")
    if values.get("defaultendpointsprotocol", "https") not in ("http", "https"):
        problems.append("DefaultEndpointsProtocol must be https or http")
    problems += [
        f"{service.title()}Endpoint must be an address that begins with https:// or http://"
        for service in _SERVICES
        if not values.get(f"{service}endpoint", "https://").startswith(("https://", "http://"))
    ]
    return problems


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


def _is_guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
