"""The host's own addresses below /admin: its state, and running a function that no HTTP request starts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dev.host.requests import decoded_path

_BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site")


class Admin:
    """Answers requests below /admin.

    Args:
        status: the host's state, as /admin/host/status shows it.
        functions: all functions, as /admin/functions lists them.
        run: starts a function by name with a text; False when there is no such function that can be started so.
    """

    def __init__(
        self,
        status: Callable[[], dict[str, Any]],
        functions: Callable[[], list[dict[str, Any]]],
        run: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._status = status
        self._functions = functions
        self._run = run

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The answer to a request whose path begins with /admin/."""
        # On Azure this takes the master key; here, web pages that the developer happens to visit must not reach it.
        if any(header in request.headers for header in _BROWSER_HEADERS):
            return web.Response(status=403)
        parts = [part.lower() for part in decoded_path(request.path).strip("/").split("/")]
        match request.method, parts[1:]:
            case "GET", ["host", "status"]:
                return web.json_response(self._status())
            case "GET", ["functions"]:
                return web.json_response(self._functions())
            case "GET" | "POST", ["host", "ping"]:
                return web.Response()
            case "POST", ["functions", name]:
                return await self._start(request, name)
        return web.Response(status=404)

    async def _start(self, request: web.BaseRequest, name: str) -> web.Response:
        try:
            given = json.loads(await request.content.read())
        except ValueError:
            given = None
        if not isinstance(given, dict) or not isinstance(given.get("input", ""), str):
            return web.Response(status=400, text='The body must be {"input": "…"}.')
        return web.Response(status=202 if await self._run(name, given.get("input", "")) else 404)
