"""What a run finds configured: the values of its scope over the global ones, and the secrets that they point to.

Every secret of the scope is looked up when a run begins, so that it can be masked in whatever the run leaves behind,
and both are cached for a while: usually a run reads nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from shared.configuration.secrets import SecretStore
from shared.context import RunConfiguration, SecretReference
from shared.errors import ConfigurationError, StorageUnavailableError
from shared.logs.masking import SecretMask
from shared.repositories.configuration import ConfigurationRepository
from shared.ttl_cache import TtlCache

logger = logging.getLogger(__name__)

# What is changed holds in every process after this time at the latest.
TTL_SECONDS = 15.0
# For so long old values serve while storage is out of reach.
STALE_SECONDS = 300.0
# Storage that does not answer must not use up a run's time.
READ_LIMIT_SECONDS = 3.0
AWAY_SECONDS = 10.0
_MOST_WARNED_OF = 1000


class _Unreadable(Mapping[str, Any]):
    """Stands for values that can't be read: a run that asks for none of them goes on."""

    def __getitem__(self, key: str) -> NoReturn:
        raise StorageUnavailableError("The configuration can't be read: storage is out of reach")

    def __iter__(self) -> Iterator[str]:
        return self[""]

    def __len__(self) -> int:
        return self[""]


class Configuration:
    """The configuration of all scopes, as known in this process.

    Args:
        values: where it is stored.
        secrets: where the secrets are.
    """

    def __init__(self, values: ConfigurationRepository, secrets: SecretStore) -> None:
        self._repository = values
        self._secrets = secrets
        self._values = TtlCache(self._read, ttl_seconds=TTL_SECONDS, stale_seconds=STALE_SECONDS)
        self._masks: dict[str, SecretMask] = {}
        self._warned_of: set[tuple[str, str, str]] = set()
        self._away_until = 0.0

    async def of_run(self, scope: str) -> RunConfiguration:
        """Everything that a run of a scope finds. One storage call at most, and never a long wait.

        Args:
            scope: the organization's id, or `GLOBAL`.

        Returns:
            The values, secrets as `SecretReference`; while storage is out of reach those known before, or a mapping
            that raises `StorageUnavailableError` when it is asked for one. A mask that knows all secrets of the scope
            that can be had, those of earlier times too; and what resolves the secrets.
        """
        try:
            values = await self._values.get(scope)
        except StorageUnavailableError:
            values = _Unreadable()
        mask = self._mask_of(scope)
        if not isinstance(values, _Unreadable):
            references = [(key, value) for key, value in values.items() if isinstance(value, SecretReference)]
            if references:
                await asyncio.gather(*(self._add_to_mask(scope, key, reference, mask) for key, reference in references))
        return RunConfiguration(values, mask, lambda key: self.secret(scope, key))

    async def secret(self, scope: str, key: str) -> str:
        """The secret that a value points to.

        Raises:
            ConfigurationError: there is no such value, or it points to nothing that can be had.
            StorageUnavailableError: the configuration can't be read.
        """
        try:
            reference = (await self._values.get(scope)).get(key)
        except StorageUnavailableError:
            raise StorageUnavailableError("The configuration can't be read: storage is out of reach") from None
        if not isinstance(reference, SecretReference):
            what = "is no secret" if reference is not None else "is not configured"
            raise ConfigurationError(f"The secret {key!r} {what}")
        secret = await self._secrets.get(key, reference)
        self._mask_of(scope).add(secret)
        return secret

    def invalidate(self) -> None:
        """Has this process read all values anew at once; what is masked stays masked."""
        self._values.invalidate()
        self._secrets.invalidate()
        self._warned_of.clear()

    async def close(self) -> None:
        """Closes the connection to the vault."""
        await self._secrets.close()

    def _mask_of(self, scope: str) -> SecretMask:
        mask = self._masks.get(scope)
        if mask is None:
            mask = self._masks[scope] = SecretMask()
        return mask

    async def _add_to_mask(self, scope: str, key: str, reference: SecretReference, mask: SecretMask) -> None:
        try:
            mask.add(await self._secrets.get(key, reference))
        except ConfigurationError as error:
            # The run that asks for it hears of it; this one may do without. Said once, not for each run and reader.
            warning = (scope, key, str(error))
            if warning not in self._warned_of and len(self._warned_of) < _MOST_WARNED_OF:
                self._warned_of.add(warning)
                reason = ". ".join([str(error), *getattr(error, "__notes__", ())])
                logger.warning("A secret can't be had, nor masked: %s", reason, extra={"scope": scope, "key": key})

    async def _read(self, scope: str) -> Mapping[str, Any]:
        if time.monotonic() < self._away_until:
            raise StorageUnavailableError
        try:
            async with asyncio.timeout(READ_LIMIT_SECONDS):
                found = await self._repository.read(scope)
        except (StorageUnavailableError, TimeoutError):
            logger.warning("The configuration can't be read: storage is out of reach")
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise StorageUnavailableError from None
        # The scope's own come first, so written last.
        return {
            value.key: SecretReference(value.value) if value.type == "secret_ref" else value.value
            for value in reversed(found)
        }
