"""Answers of data providers that are given again: in memory, and behind it in a table for all processes.

In a process one run finds an answer, however many ask for it at the same time; processes that ask at the same time for
what none of them knows run the provider once each. When a provider fails, its last answer is given for one more TTL:
stale-if-error, https://www.rfc-editor.org/rfc/rfc5861#section-4
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cachetools import LRUCache

from shared.data_providers.cache_key import CacheKey
from shared.data_providers.shared_cache import SharedCache
from shared.models.data_providers import Option
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult
from shared.repositories.provider_answers import AnswerRow, ProviderAnswerRepository

logger = logging.getLogger(__name__)

# As JSON text; the objects take about five times as much.
MAX_MEMORY_BYTES = 16 * 1024 * 1024
# What an answer counts at least: so 5,000 of the smallest are kept.
_SMALLEST_BYTES = MAX_MEMORY_BYTES // 5_000

Run = Callable[[], Awaitable[ExecutionResult]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An answer. Times are seconds since 1970; of two answers of one key the one of the higher number is newer."""

    options: list[Option]
    expires_at: float
    usable_until: float
    number: int
    size: int
    expires_text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_text", datetime.fromtimestamp(self.expires_at, UTC).isoformat())

    def as_result(self, *, stale: bool = False) -> ExecutionResult:
        return ExecutionResult(
            execution_id="",
            status=ExecutionStatus.SUCCESS,
            result=self.options,
            cached=True,
            cache_expires_at=self.expires_text,
            stale=stale,
        )


class ProviderCache:
    """The answers that this process can give again. For one event loop.

    Args:
        answers: those that all processes share; None for an app without storage.
        clock: the time in seconds since 1970.
    """

    def __init__(self, answers: ProviderAnswerRepository | None, clock: Callable[[], float] = time.time) -> None:
        self._shared = SharedCache(answers)
        self._clock = clock
        self._memory: LRUCache[str, _Entry] = LRUCache(MAX_MEMORY_BYTES, lambda entry: entry.size)
        self._searches: dict[str, asyncio.Task[ExecutionResult]] = {}
        self._numbers = itertools.count(1)
        self._personal: set[tuple[str, str]] = set()

    async def get(self, key: CacheKey, run: Run, *, no_cache: bool = False) -> ExecutionResult:
        """The answer of a key: from memory, from the table, or from a run.

        Args:
            key: whose answer.
            run: runs the provider; what goes wrong is in its result.
            no_cache: whether it must be run. Its answer is cached then, and none is given in its place when it fails.

        Returns:
            The result, with `cached`, `cache_expires_at` and `stale`. Others may get the same, under their own ids.
        """
        if (key.provider, key.version) in self._personal:
            return await run()
        if no_cache:
            return await self._search(key, run, no_cache=True)
        known = self._memory.get(key.digest)
        if known is not None and self._clock() < known.expires_at:
            return known.as_result()
        search = self._searches.get(key.digest)
        if search is None:
            return await asyncio.shield(self._begin_search(key, run))
        result = await asyncio.shield(search)
        return result if _may_be_shared(key, result) else await run()

    def _begin_search(self, key: CacheKey, run: Run) -> asyncio.Task[ExecutionResult]:
        """In a task of its own, so that whoever asked first can go without harm to those who joined."""
        search = asyncio.create_task(self._search(key, run))
        self._searches[key.digest] = search
        search.add_done_callback(lambda _: self._searches.pop(key.digest))
        return search

    async def _search(self, key: CacheKey, run: Run, *, no_cache: bool = False) -> ExecutionResult:
        number = next(self._numbers)
        row = await self._shared.find(key.digest)
        if row is not None and not no_cache:
            entry = await self._load(key, row, number, until=row.expires_at)
            if entry is not None:
                return entry.as_result()
        result = await run()
        if result.status is not ExecutionStatus.SUCCESS:
            return result if no_cache else await self._last_answer(key, row, number) or result
        if not _may_be_shared(key, result):
            self._warn_personal(key)
            return result
        return await self._save(key, result, row, number)

    async def _load(self, key: CacheKey, row: AnswerRow, number: int, *, until: float) -> _Entry | None:
        """The answer in a row, which is then in memory; None when it is of use only before now, or there is none."""
        if self._clock() >= until:
            return None
        options = await self._shared.options_in(row)
        if options is None:
            return None
        return await self._remember(key, options, row.expires_at, number) or self._memory.get(key.digest)

    async def _save(
        self, key: CacheKey, result: ExecutionResult, row: AnswerRow | None, number: int
    ) -> ExecutionResult:
        entry = await self._remember(key, result.result, self._clock() + key.ttl_seconds, number)
        if entry is None:
            return result
        await self._shared.save(key, entry.options, entry.expires_at, row)
        return replace(result, cache_expires_at=entry.expires_text)

    async def _remember(self, key: CacheKey, options: list[Option], expires_at: float, number: int) -> _Entry | None:
        """Puts an answer into memory; None when a newer one is there: a search that began later has ended sooner."""
        size = max(_SMALLEST_BYTES, len(await asyncio.to_thread(json.dumps, options)))
        known = self._memory.get(key.digest)
        if known is not None and known.number > number:
            return None
        entry = _Entry(options, expires_at, expires_at + key.ttl_seconds, number, size)
        self._memory.pop(key.digest, None)
        if size <= MAX_MEMORY_BYTES:
            self._memory[key.digest] = entry
        return entry

    async def _last_answer(self, key: CacheKey, row: AnswerRow | None, number: int) -> ExecutionResult | None:
        """What there is instead of the answer of a provider that failed."""
        entry = self._memory.get(key.digest)
        if entry is None and row is not None:
            entry = await self._load(key, row, number, until=row.expires_at + key.ttl_seconds)
        now = self._clock()
        if entry is None or now >= entry.usable_until:
            return None
        return entry.as_result(stale=now >= entry.expires_at)

    def _warn_personal(self, key: CacheKey) -> None:
        provider = (key.provider, key.version)
        if provider not in self._personal:
            self._personal.add(provider)
            logger.warning(
                "The data provider %s reads who is calling, so its answers are not cached; declare it with "
                'cache_per="user": %s',
                key.provider,
                key.place,
            )


def _may_be_shared(key: CacheKey, result: ExecutionResult) -> bool:
    return key.is_personal or not result.caller_was_read
