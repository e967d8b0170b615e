"""Answers of data providers that are given again: in memory, and behind it in a table for all processes.

One run finds the answer however many ask at the same time: in this process for certain, among processes as far as a
claim in the table can see to it. When a provider fails, its last answer is given for one more TTL: stale-if-error,
https://www.rfc-editor.org/rfc/rfc5861#section-4
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

from shared.data_providers.cache_key import Question
from shared.data_providers.cache_memory import MemoryCache
from shared.data_providers.shared_cache import CacheTable
from shared.execution_request import ExecutionResult
from shared.models.data_providers import Option
from shared.models.executions import ExecutionStatus
from shared.repositories.provider_answers import AnswerRow, Claim, ProviderAnswerRepository
from shared.settings.environment import get_settings
from shared.storage import Storage, get_storage

logger = logging.getLogger(__name__)

# As JSON text; the objects take about five times as much.
MAX_MEMORY_BYTES = 16 * 1024 * 1024
MAX_MEMORY_ENTRIES = 5_000
# How long other processes wait for one that may have died; a longer run is begun by each that is asked.
CLAIM_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.1

Run = Callable[[], Awaitable[ExecutionResult]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An answer. Times are seconds since 1970; of two answers to a question the one of the higher number is newer."""

    options: list[Option]
    expires_at: float
    keep_until: float
    number: int
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
        self._table = CacheTable(answers)
        self._clock = clock
        self._memory: MemoryCache[_Entry] = MemoryCache(MAX_MEMORY_BYTES, MAX_MEMORY_ENTRIES)
        self._searches: dict[str, asyncio.Task[ExecutionResult]] = {}
        self._numbers = itertools.count(1)
        self._not_shareable: set[tuple[str, str]] = set()

    async def answer(self, question: Question, run: Run, *, no_cache: bool = False) -> ExecutionResult:
        """The answer to a question: from memory, from the table, or from a run.

        Args:
            question: what is asked.
            run: runs the provider; what goes wrong is in its result.
            no_cache: whether it must be run. Its answer is kept then, and none is given in its place when it fails.

        Returns:
            The result, with `cached`, `cache_expires_at` and `stale`. Others may get the same, under their own ids.
        """
        if (question.provider, question.version) in self._not_shareable:
            return await run()
        if no_cache:
            return await self._search(question, run, no_cache=True)
        known = self._memory.get(question.key)
        if known is not None and self._clock() < known.expires_at:
            return known.as_result()
        search = self._searches.get(question.key)
        if search is None:
            return await asyncio.shield(self._begin_search(question, run))
        result = await asyncio.shield(search)
        return result if _may_be_shared(question, result) else await run()

    def _begin_search(self, question: Question, run: Run) -> asyncio.Task[ExecutionResult]:
        """In a task of its own, so that whoever asked first can go without harm to those who joined."""
        search = asyncio.create_task(self._search(question, run))
        self._searches[question.key] = search

        def forget(_: asyncio.Task[ExecutionResult]) -> None:
            del self._searches[question.key]

        search.add_done_callback(forget)
        return search

    async def _search(self, question: Question, run: Run, *, no_cache: bool = False) -> ExecutionResult:
        number = next(self._numbers)
        row, claim = await self._table.find(question.key), None
        if not no_cache:
            row, claim = await self._claim_or_wait(question, row)
            entry = await self._load(question, row, number, until=row.expires_at) if row is not None else None
            if entry is not None:
                return entry.as_result()
        result = await run()
        succeeded = result.status is ExecutionStatus.SUCCESS
        if succeeded and _may_be_shared(question, result):
            return await self._keep(question, result, row, number)
        if claim is not None:
            await self._table.release(claim)
        if succeeded:
            self._note_not_shareable(question)
            return result
        return result if no_cache else await self._last_answer(question, row, number) or result

    async def _claim_or_wait(self, question: Question, row: AnswerRow | None) -> tuple[AnswerRow | None, Claim | None]:
        """The row once it holds an answer, or the right to find one; neither when waiting has taken too long."""
        for _ in range(round(CLAIM_SECONDS / _LOOK_AGAIN_SECONDS)):
            now = self._clock()
            if self._table.is_away or (row is not None and now < row.expires_at):
                break
            if row is None or now >= row.claimed_until:
                claim = await self._table.claim(question.key, row, now + CLAIM_SECONDS)
                if claim is not None:
                    return row, claim
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            row = await self._table.find(question.key)
        return row, None

    async def _load(self, question: Question, row: AnswerRow, number: int, *, until: float) -> _Entry | None:
        """The answer in a row, kept in memory; None when it is of use only before now, or there is none."""
        if self._clock() >= until:
            return None
        options = await self._table.options_in(row)
        if options is None:
            return None
        entry = _Entry(options, row.expires_at, row.expires_at + question.ttl_seconds, number)
        return entry if await self._remember(question, entry) else self._memory.get(question.key)

    async def _keep(
        self, question: Question, result: ExecutionResult, row: AnswerRow | None, number: int
    ) -> ExecutionResult:
        expires_at = self._clock() + question.ttl_seconds
        entry = _Entry(result.result, expires_at, expires_at + question.ttl_seconds, number)
        if not await self._remember(question, entry):
            return result
        await self._table.save(question, entry.options, expires_at, row)
        return replace(result, cache_expires_at=entry.expires_text)

    async def _remember(self, question: Question, entry: _Entry) -> bool:
        """Keeps an answer in memory; false when a newer one is there: a search that began later has ended sooner."""
        size = await asyncio.to_thread(_size_of, entry.options)
        known = self._memory.get(question.key)
        if known is not None and known.number > entry.number:
            return False
        self._memory.put(question.key, entry, size)
        return True

    async def _last_answer(self, question: Question, row: AnswerRow | None, number: int) -> ExecutionResult | None:
        """What there is instead of the answer of a provider that failed."""
        entry = self._memory.get(question.key)
        if entry is None and row is not None:
            entry = await self._load(question, row, number, until=row.expires_at + question.ttl_seconds)
        now = self._clock()
        if entry is None or now >= entry.keep_until:
            return None
        return entry.as_result(stale=now >= entry.expires_at)

    def _note_not_shareable(self, question: Question) -> None:
        known = (question.provider, question.version)
        if known not in self._not_shareable:
            self._not_shareable.add(known)
            logger.warning(
                "The data provider %s reads who is calling, so its answers are not kept; declare it with "
                'cache_per="user": %s',
                question.provider,
                question.place,
            )


def _may_be_shared(question: Question, result: ExecutionResult) -> bool:
    return question.is_personal or not result.caller_was_read


def _size_of(options: list[Option]) -> int:
    return len(json.dumps(options))


_cache: tuple[Storage, ProviderCache] | None = None


def get_provider_cache() -> ProviderCache:
    """The cache of this process, on the storage account of its settings, if they name one."""
    global _cache
    storage = get_storage()
    if _cache is None or _cache[0] is not storage:
        answers = ProviderAnswerRepository(storage) if get_settings().storage else None
        _cache = (storage, ProviderCache(answers))
    return _cache[1]
