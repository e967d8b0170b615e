"""The sample apps in the local host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.hosted import HostedApp, hosted_app

APPS = Path(__file__).parent / "apps"
DEADLINE = 10
NO_STORAGE = "UseDevelopmentStorage=true"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample app under way, and a session for requests to it."""

    hosted: HostedApp
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where the host listens."""
        return self.hosted.client.url

    async def text(self, path: str, **fields: object) -> str:
        """The text that a GET below /api gives."""
        async with self.session.get(f"{self.url}/api/{path}", **fields) as answer:  # pyright: ignore[reportArgumentType]
            return await answer.text()

    async def status(self, method: str, path: str, **fields: object) -> int:
        """The status of a request to a path."""
        async with self.session.request(method, f"{self.url}{path}", **fields) as answer:  # pyright: ignore[reportArgumentType]
            return answer.status

    @property
    def log(self) -> str:
        """What the host has written so far."""
        return "\n".join(self.hosted.log)

    async def until_logged(self, text: str) -> None:
        """Waits until the host or the app has written this."""
        async with asyncio.timeout(DEADLINE):
            while text not in self.log:
                await asyncio.sleep(0.01)


SampleMaker = Callable[..., contextlib.AbstractAsyncContextManager[Sample]]


@contextlib.asynccontextmanager
async def start_sample(name: str, connection: str = NO_STORAGE, **settings: str) -> AsyncIterator[Sample]:
    async with (
        hosted_app(connection, APPS / name, **settings) as hosted,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield Sample(hosted, session)


@pytest.fixture(scope="session")
def sample() -> SampleMaker:
    """Starts a sample app: its name, a storage connection, and further settings."""
    return start_sample
