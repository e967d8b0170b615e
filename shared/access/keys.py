"""Whether a key that came with a request opens anything: found in memory, or with one storage read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime

from shared.errors import StorageUnavailableError, UnauthorizedError
from shared.repositories.workflow_keys import (
    LAST_USED_EVERY,
    AccessKey,
    WorkflowKeyRepository,
    hash_of,
    is_raw_key,
)
from shared.storage import Storage, get_storage
from shared.ttl_cache import Kept

logger = logging.getLogger(__name__)

# A revoked key is refused by every process after this time at the latest.
KEPT_SECONDS = 15.0
_MOST_KEPT = 2000


class KeyRing:
    """Finds keys, and remembers for seconds what it found, or that there was nothing to be found.

    Args:
        keys: where they are stored.
    """

    def __init__(self, keys: WorkflowKeyRepository) -> None:
        self._keys = keys
        self._found = Kept(keys.find, seconds=KEPT_SECONDS, most=_MOST_KEPT)
        self._uses: OrderedDict[str, float] = OrderedDict()
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
        if key is None or key.is_over(datetime.now(UTC)):
            raise UnauthorizedError("The access key is not valid")
        self._note_use(key)
        return key

    def forget(self) -> None:
        """Forgets what was found: in this process each key is looked for again at once."""
        self._found.forget()

    def _note_use(self, key: AccessKey) -> None:
        now = time.monotonic()
        if now < self._uses.get(key.key_id, 0.0):
            return
        self._uses[key.key_id] = now + LAST_USED_EVERY.total_seconds()
        self._uses.move_to_end(key.key_id)
        while len(self._uses) > _MOST_KEPT:
            self._uses.popitem(last=False)
        task = asyncio.create_task(self._write_use(key))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _write_use(self, key: AccessKey) -> None:
        try:
            await self._keys.note_use(key, datetime.now(UTC))
        except StorageUnavailableError:
            self._uses.pop(key.key_id, None)
            logger.info("When key %s was last used can't be noted: storage is out of reach", key.key_id)


_ring: tuple[Storage, KeyRing] | None = None


def get_key_ring() -> KeyRing:
    """The one of this process, on the storage account of its settings."""
    global _ring
    storage = get_storage()
    if _ring is None or _ring[0] is not storage:
        _ring = (storage, KeyRing(WorkflowKeyRepository(storage)))
    return _ring[1]
