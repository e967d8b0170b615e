"""The HTTP end of the host: takes requests from 127.0.0.1 and answers them with functions, or with the host's own."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from dev.host.host_json import HostOptions
from dev.host.landing import landing_page
from dev.host.requests import AnswerError, call_header, decoded_path, to_response
from dev.host.routing import RESERVED, Router
from dev.host.wire import HOST
from dev.host.worker_process import FunctionFailedError, FunctionTimeoutError, WorkerLostError, WorkerProcess

logger = logging.getLogger("dev.host")

# https://learn.microsoft.com/azure/azure-functions/functions-app-settings (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT)
MAX_BODY_BYTES = 104_857_600
# Limits of Azure's server: https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.server.kestrel.core.kestrelserverlimits
MAX_REQUEST_LINE_BYTES = 8192
MAX_HEADER_BYTES = 32_768


class PortTakenError(Exception):
    """Something else listens on the port; the message is one line that says so."""


class HttpServer:
    """Serves an app's HTTP functions. Keys and authorization levels are ignored, as Azure's Core Tools do locally.

    Args:
        options: of host.json.
        principal: value of X-MS-CLIENT-PRINCIPAL that each function sees; None: no such header.
        app: waits for the app to be loaded and gives its worker and routes; None when it can't be loaded.
        admin: answers what begins with /admin.
    """

    def __init__(
        self,
        options: HostOptions,
        principal: str | None,
        app: Callable[[], Awaitable[tuple[WorkerProcess, Router] | None]],
        admin: Callable[[web.BaseRequest], Awaitable[web.Response]],
    ) -> None:
        self._options = options
        self._principal = principal
        self._app = app
        self._admin = admin
        self._outstanding = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._accepting = True
        # Bodies stay as they were sent; without auto_decompress=False they would be unpacked.
        server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=MAX_REQUEST_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        self._site: web.TCPSite | None = None

    async def listen(self, port: int) -> int:
        """Listens on a port of 127.0.0.1, 0 for a free one, and returns it.

        Raises:
            PortTakenError: something else listens there.
        """
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, HOST, port)
        try:
            await self._site.start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is taken" if error.errno == errno.EADDRINUSE else "may not be used"
            raise PortTakenError(f"Port {port} {why}: choose another with --port") from None
        return self._runner.addresses[0][1]

    async def stop_accepting(self) -> None:
        """Closes the port; requests under way go on."""
        self._accepting = False
        if self._site is not None:
            await self._site.stop()

    async def wait_idle(self) -> None:
        """Returns when no request is under way."""
        await self._idle.wait()

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        limit = self._options.max_outstanding_requests
        if not self._accepting:
            return web.Response(status=503, headers={"Connection": "close"})
        if limit is not None and self._outstanding >= limit:
            return web.Response(status=429)
        self._outstanding += 1
        self._idle.clear()
        try:
            return await self._answer(request)
        finally:
            self._outstanding -= 1
            if not self._outstanding:
                self._idle.set()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = decoded_path(request.raw_path.partition("?")[0])
        if path.lower().startswith(f"/{RESERVED[0]}/"):
            return await self._admin(request)
        app = await self._app()
        if app is None:
            return web.Response(status=503, text="Function host is not running.")
        worker, router = app
        match = router.match(request.method, path)
        if match is None:
            return self._landing_page(request, router) if path == "/" else web.Response(status=404)
        body = await _read_body(request)
        if body is None:
            return web.Response(status=413)
        begin = time.perf_counter()
        try:
            header = call_header(request, match.parameters, self._principal)
            response = to_response(await worker.call(match.function, header, body))
        except UnicodeEncodeError:
            return web.Response(status=400)
        except AnswerError as error:
            logger.error("Function %s: its answer can't be sent: %s", match.function.name, error)  # noqa: TRY400
            response = web.Response(status=500)
        except (FunctionFailedError, FunctionTimeoutError, WorkerLostError):
            response = web.Response(status=500)
        elapsed_ms = (time.perf_counter() - begin) * 1000
        logger.info("%s %s → %s: %d in %.1f ms", request.method, path, match.function.name, response.status, elapsed_ms)
        return response

    def _landing_page(self, request: web.BaseRequest, router: Router) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=404)
        return web.Response(
            text=landing_page(router, self._options.route_prefix),
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'"},
        )


async def _read_body(request: web.BaseRequest) -> bytes | None:
    """The body, empty where no length was sent, as Azure's host does; None when it is too long."""
    length = request.content_length or 0
    if length > MAX_BODY_BYTES:
        return None
    if length == 0:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await request.content.read()
