"""Storage accounts of the emulator, one for each test, so that tests never see each other's data."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dev.azurite import Azurite

ACCOUNTS = 1000


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """An empty storage account."""

    name: str
    connection_string: str


def generated_accounts() -> Mapping[str, str]:
    """Names and base64 keys of `ACCOUNTS` accounts."""
    return {name: _key(name) for name in (f"test{number:04d}" for number in range(ACCOUNTS))}


def unused_accounts(azurite: Azurite) -> Iterator[StorageAccount]:
    """The generated accounts of a running Azurite, each once."""
    for name in generated_accounts():
        yield StorageAccount(name, azurite.connection_string_for(name))


def _key(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
