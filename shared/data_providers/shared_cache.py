"""The table behind the cache, asked without patience: when it is away, providers answer all the same."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.data_providers.cache_key import Question
from shared.errors import StorageUnavailableError
from shared.models.data_providers import Option
from shared.repositories.provider_answers import AnswerRow, Claim, ProviderAnswerRepository
from shared.storage import RefusedError

logger = logging.getLogger(__name__)

ROW_LIMIT_SECONDS = 3.0
ANSWER_LIMIT_SECONDS = 10.0
# After a call that failed nobody waits for another one during this time.
AWAY_SECONDS = 10.0

T = TypeVar("T")


class CacheTable:
    """The repository's calls, each bounded in time; all of them give None when storage is away.

    Args:
        answers: the repository; None for an app without storage.
    """

    def __init__(self, answers: ProviderAnswerRepository | None) -> None:
        self._answers = answers
        self._away_until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether a call of the last seconds failed."""
        return self._answers is None or time.monotonic() < self._away_until

    async def find(self, key: str) -> AnswerRow | None:
        """The row of a question."""
        return await self._ask(lambda answers: answers.find(key), ROW_LIMIT_SECONDS)

    async def options_in(self, row: AnswerRow) -> list[Option] | None:
        """The options of a row; None also when they are gone or can't be read."""
        return await self._ask(lambda answers: answers.options_in(row), ANSWER_LIMIT_SECONDS)

    async def claim(self, key: str, row: AnswerRow | None, until: float) -> Claim | None:
        """The right to find the answer; None also when somebody else was faster."""
        return await self._ask(lambda answers: answers.claim(key, row, until), ROW_LIMIT_SECONDS)

    async def release(self, claim: Claim) -> None:
        """Takes a claim back."""
        await self._ask(lambda answers: answers.release(claim), ROW_LIMIT_SECONDS)

    async def save(
        self, question: Question, options: Sequence[Option], expires_at: float, before: AnswerRow | None
    ) -> None:
        """Stores an answer in the place of the one before."""
        await self._ask(
            lambda answers: answers.save(
                question.key,
                options,
                scope=question.scope,
                provider=question.provider,
                expires_at=expires_at,
                keep_until=expires_at + question.ttl_seconds,
                before=before,
            ),
            ANSWER_LIMIT_SECONDS,
        )

    async def _ask(self, call: Callable[[ProviderAnswerRepository], Awaitable[T]], limit_seconds: float) -> T | None:
        if self._answers is None or self.is_away:
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
