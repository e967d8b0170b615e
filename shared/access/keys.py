"""Whether a key that came with a request opens anything: found in memory, or with one storage read."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from cachetools import TTLCache

from shared.errors import StorageUnavailableError, UnauthorizedError
from shared.repositories.workflow_keys import (
    LAST_USED_EVERY,
    AccessKey,
    WorkflowKeyRepository,
    hash_of,
    is_raw_key,
)
from shared.ttl_cache import TtlCache

logger = logging.getLogger(__name__)

# A revoked key is refused by every process after this time at the latest.
TTL_SECONDS = 15.0
_MAX_ENTRIES = 2000


class KeyRing:
    """Finds keys, and caches for seconds what it found, or that there was nothing to be found.

    Args:
        keys: where they are stored.
    """

    def __init__(self, keys: WorkflowKeyRepository) -> None:
        self._keys = keys
        self._found = TtlCache(keys.find, ttl_seconds=TTL_SECONDS, max_entries=_MAX_ENTRIES)
        # The keys whose use was written down within the last hour.
        self._uses: TTLCache[str, bool] = TTLCache(_MAX_ENTRIES, LAST_USED_EVERY.total_seconds(), time.monotonic)
        self._background: set[asyncio.Task[None]] = set()

    async def open(self, raw_key: str) -> AccessKey:
        """The key; one storage call at most.

        Args:
            raw_key: as it came with the request.

        Raises:
            UnauthorizedError: there is no such key, any more, or it has expired.
            StorageUnavailableError: that can't be told.
        """
        key = await self._found.get(hash_of(raw_key)) if is_raw_key(raw_key) else None
        # One answer for all of them: what is wrong with it is not for one who guesses.
        if key is None or key.has_expired(datetime.now(UTC)):
            raise UnauthorizedError("The access key is not valid")
        self._record_use(key)
        return key

    def invalidate(self) -> None:
        """Has this process look for each key again at once."""
        self._found.invalidate()

    def _record_use(self, key: AccessKey) -> None:
        if key.key_id in self._uses:
            return
        self._uses[key.key_id] = True
        task = asyncio.create_task(self._write_use(key))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _write_use(self, key: AccessKey) -> None:
        try:
            await self._keys.record_use(key, datetime.now(UTC))
        except StorageUnavailableError:
            self._uses.pop(key.key_id, None)
            logger.info("When key %s was last used can't be recorded: storage is out of reach", key.key_id)
