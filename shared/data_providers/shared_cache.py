"""The table behind the cache, asked without patience: when it is away, providers answer all the same."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.data_providers.cache_key import CacheKey
from shared.errors import StorageUnavailableError
from shared.models.data_providers import Option
from shared.repositories.provider_answers import AnswerRow, ProviderAnswerRepository
from shared.storage import RefusedError

logger = logging.getLogger(__name__)

ROW_LIMIT_SECONDS = 3.0
ANSWER_LIMIT_SECONDS = 10.0
# After a call that failed nobody waits for another one during this time.
AWAY_SECONDS = 10.0

T = TypeVar("T")


class SharedCache:
    """The repository's calls, each bounded in time; all of them give None when storage is away.

    Args:
        answers: the repository; None for an app without storage.
    """

    def __init__(self, answers: ProviderAnswerRepository | None) -> None:
        self._answers = answers
        self._away_until = 0.0

    async def find(self, key: str) -> AnswerRow | None:
        """The row of a key."""
        return await self._ask(lambda answers: answers.find(key), ROW_LIMIT_SECONDS)

    async def options_in(self, row: AnswerRow) -> list[Option] | None:
        """The options of a row; None also when they are gone or can't be read."""
        return await self._ask(lambda answers: answers.options_in(row), ANSWER_LIMIT_SECONDS)

    async def save(self, key: CacheKey, options: Sequence[Option], expires_at: float, before: AnswerRow | None) -> None:
        """Stores an answer in the place of the one before."""
        await self._ask(
            lambda answers: answers.save(
                key.digest,
                options,
                scope=key.scope,
                provider=key.provider,
                expires_at=expires_at,
                usable_until=expires_at + key.ttl_seconds,
                before=before,
            ),
            ANSWER_LIMIT_SECONDS,
        )

    async def _ask(self, call: Callable[[ProviderAnswerRepository], Awaitable[T]], limit_seconds: float) -> T | None:
        if self._answers is None or time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(limit_seconds):
                return await call(self._answers)
        except (StorageUnavailableError, TimeoutError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("Storage is out of reach, so data providers answer without shared cache")
        except RefusedError as error:
            logger.warning("A data provider's answer can't be shared: %s", error)
        return None
