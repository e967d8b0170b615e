"""How a call to storage is made: a bound on its time, few and quick retries, our errors, creating what is missing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from shared.errors import StorageUnavailableError
from shared.storage.azure.errors import translate
from shared.storage.errors import AlreadyExistsError, ContainerMissingError

T = TypeVar("T")
Operation = Callable[[], Awaitable[T]]

# Somebody waits for the answer: three tries within a second, where the SDKs would wait for tens of seconds.
RETRY_DELAYS_SECONDS = (0.1, 0.4)
LONGEST_WORTH_WAITING_SECONDS = 5
CALL_LIMIT_SECONDS = 20.0


class Calls:
    """Makes the calls to one storage account; every SDK call of this package goes through `run`.

    Attributes:
        reached: False after a call did not reach storage, until one does.
    """

    def __init__(self) -> None:
        self.reached = True

    async def run(
        self,
        operation: Operation[T],
        create: Operation[object] | None = None,
        *,
        limit_seconds: float = CALL_LIMIT_SECONDS,
        delays: tuple[float, ...] = RETRY_DELAYS_SECONDS,
    ) -> T:
        """Runs one SDK call, and again when storage was not reached.

        A write may be done twice so, when only its answer was lost. The caller must be able to tell.

        Args:
            operation: makes the SDK call.
            create: creates the table, queue or container, when it turns out to be missing.
            limit_seconds: bound of the whole, with all tries.
            delays: seconds before each further try.

        Raises:
            StorageUnavailableError: storage was not reached, can't serve, or refuses the credentials.
            StorageAnswerError: any other answer than success, see `shared.storage.errors`.
        """
        try:
            async with asyncio.timeout(limit_seconds):
                return await self._with_retries(operation, create, delays)
        except TimeoutError:
            self.reached = False
            raise StorageUnavailableError(is_uncertain=True) from None

    async def _with_retries(
        self, operation: Operation[T], create: Operation[object] | None, delays: tuple[float, ...]
    ) -> T:
        is_uncertain = False
        for delay in (*delays, None):
            try:
                return await self._or_create(operation, create)
            except StorageUnavailableError as error:
                is_uncertain = error.is_uncertain = error.is_uncertain or is_uncertain
                if delay is None or error.retry_after > LONGEST_WORTH_WAITING_SECONDS:
                    raise
            # Spread, so that clients that failed together don't come back together.
            await asyncio.sleep(delay * random.uniform(0.7, 1.3))  # noqa: S311  # nosec B311
        raise AssertionError("the last try returns or raises")

    async def _or_create(self, operation: Operation[T], create: Operation[object] | None) -> T:
        try:
            return await self._once(operation)
        except ContainerMissingError:
            if create is None:
                raise
        # AlreadyExistsError: somebody else was faster.
        with suppress(AlreadyExistsError):
            await self._once(create)
        return await self._once(operation)

    async def _once(self, operation: Operation[T]) -> T:
        try:
            result = await operation()
        except Exception as error:
            translated = translate(error)
            if translated is error:
                raise
            self.reached = not isinstance(translated, StorageUnavailableError)
            # The SDK's error is not kept as the cause: its text can hold addresses and signatures.
            raise translated from None
        self.reached = True
        return result
