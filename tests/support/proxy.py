"""A proxy between a storage client and Azurite: shows what goes over the wire, and spoils it when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from dev.azurite import HOST, Azurite
from tests.support.accounts import StorageAccount
from tests.support.faults import Faults


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer."""

    service: str
    method: str
    url: str
    request_body: bytes
    status: int
    answer: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query parameters, decoded."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}


class StorageProxy:
    """A proxy for one storage account.

    Attributes:
        exchanges: all that reached storage so far, those too whose answer was lost.
        answers_lost: how many were.
        connection_string: of the account, through the proxy.
        faults: what goes wrong with some of the exchanges; None for nothing.
    """

    def __init__(self, azurite: Azurite, account: StorageAccount) -> None:
        self.exchanges: list[Exchange] = []
        self.connection_string = account.connection_string
        self._ports = azurite.ports._asdict()
        self._services: dict[int, str] = {}
        self.answers_lost = 0
        self.faults: Faults | None = None
        self._refuses: Callable[[Exchange], bool] | None = None
        self._loses: list[Callable[[Exchange], bool]] = []
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app)

    def lose_an_answer(self, when: Callable[[Exchange], bool] = lambda _: True) -> None:
        """Cuts the connection instead of answering, once, after the next exchange that this is true of."""
        self._loses.append(when)

    def refuse(self, when: Callable[[Exchange], bool] | None) -> None:
        """Cuts the connection of every request that this is true of and does not pass it on; None: of no more."""
        self._refuses = when

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Content-Type",))
        await self._runner.setup()
        for service, port in self._ports.items():
            site = web.TCPSite(self._runner, HOST, 0)
            await site.start()
            listening: int = self._runner.addresses[-1][1]
            self._services[listening] = service
            self.connection_string = self.connection_string.replace(f"{HOST}:{port}/", f"{HOST}:{listening}/")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        service = self._services[request.transport.get_extra_info("sockname")[1]]
        url = f"http://{HOST}:{self._ports[service]}{request.raw_path}"
        body = await request.read()
        fault = self.faults.next() if self.faults else None
        if fault in ("500", "503"):
            headers = {"Retry-After": "1"} if fault == "503" else {}
            return web.Response(status=int(fault), headers=headers, text="injected")
        if fault == "slow":
            assert self.faults
            await asyncio.sleep(self.faults.delay())
        if fault == "reset":
            request.transport.abort()
            return web.Response()
        if self._refuses and self._refuses(Exchange(service, request.method, request.raw_path, body, 0, b"")):
            request.transport.abort()
            return web.Response()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"}
        async with self._session.request(
            request.method, URL(url, encoded=True), headers=headers, data=body or None
        ) as answer:
            content = await answer.read()
            exchange = Exchange(service, request.method, request.raw_path, body, answer.status, content)
            self.exchanges.append(exchange)
            for loses in self._loses:
                if loses(exchange):
                    self._loses.remove(loses)
                    self.answers_lost += 1
                    request.transport.abort()
                    break
            if fault == "lost":
                request.transport.abort()
            kept = {n: v for n, v in answer.headers.items() if n.lower() not in ("transfer-encoding", "content-length")}
            return web.Response(status=answer.status, headers=kept, body=content)
