"""Configuration values: all of a scope in one document, so that a run reads its own and the global ones in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.models.base import GLOBAL_SCOPE
from shared.models.configuration import ConfigValue
from shared.repositories.documents import Documents
from shared.storage.keys import key_text

if TYPE_CHECKING:
    from shared.storage import Storage

TABLE = "Configuration"
_PARTITION = "configuration"


class ConfigurationRepository:
    """Reads and writes configuration. All methods raise `StorageUnavailableError` when storage is out of reach.

    Args:
        storage: where it is.
    """

    def __init__(self, storage: Storage) -> None:
        self._documents = Documents(storage.table(TABLE), _PARTITION)

    async def read(self, scope: str) -> list[ConfigValue]:
        """The values of a scope, and behind them the global ones, each by key; one call."""
        places = list(dict.fromkeys((scope, GLOBAL_SCOPE)))
        found = await self._documents.read([key_text(place) for place in places])
        return [
            ConfigValue.model_validate(value)
            for place in places
            for _, value in sorted(found.get(key_text(place), {}).items())
        ]

    async def put(self, value: ConfigValue) -> bool:
        """Sets a value in its scope; two calls.

        Returns:
            Whether there was none of this key.

        Raises:
            PayloadTooLargeError: so much can't be stored for one scope.
        """
        is_new = False

        def edit(values: dict[str, Any] | None) -> dict[str, Any]:
            nonlocal is_new
            known = values or {}
            is_new = value.key not in known
            return {**known, value.key: value.model_dump(mode="json", exclude={"problem"})}

        await self._documents.change(key_text(value.scope), edit)
        return is_new

    async def delete(self, scope: str, key: str) -> bool:
        """Removes a value of this scope; False when there is none."""
        if key not in {value.key for value in await self.read(scope) if value.scope == scope}:
            return False

        def edit(values: dict[str, Any] | None) -> dict[str, Any]:
            return {name: value for name, value in (values or {}).items() if name != key}

        await self._documents.change(key_text(scope), edit)
        return True
