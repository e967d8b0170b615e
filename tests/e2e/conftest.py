"""One running app for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.accounts import StorageAccount
from tests.support.hosted import Client, hosted_app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(storage_accounts: Iterator[StorageAccount]) -> AsyncIterator[Client]:
    """The project's app with the examples, in the local host, on an account of its own."""
    async with hosted_app(next(storage_accounts).connection_string) as hosted:
        yield hosted.client


@pytest.fixture
def user() -> dict[str, str]:
    """Headers of a caller who is no administrator."""
    return {"X-Dev-Principal": '{"user_id": "u1", "email": "u1@example.com", "name": "U One", "roles": []}'}
