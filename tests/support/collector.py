"""A collector on loopback: takes what the OTLP/HTTP and Application Insights exporters send, and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What has arrived.

    Attributes:
        url: where it listens.
        spans: name, trace id, span id, parent's id, attributes, status message.
        logs: text, trace id, span id, attributes.
        items: what Application Insights would have got.
        services: names that spans came under.
        raw: all bodies, unpacked.
    """

    url: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    raw: bytes = b""
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, seen: Callable[[Collector], bool], seconds: float = 20) -> None:
        """Waits until what has arrived is enough."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: seen(self))

    async def take(self, request: web.Request) -> web.Response:
        """One export."""
        body = await request.read()
        body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        answer = web.Response()
        async with self._arrived:
            self.raw += body
            if request.path.endswith("/v1/traces"):
                self._take_spans(body)
            elif request.path.endswith("/v1/logs"):
                self._take_logs(body)
            else:
                items = json.loads(body)
                self.items += items
                answer = web.json_response({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})
            self._arrived.notify_all()
        return answer

    def _take_spans(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(_attributes(group.resource.attributes)["service.name"])
            for span in (span for scope in group.scope_spans for span in scope.spans):
                self.spans.append(
                    {
                        "name": span.name,
                        "trace": span.trace_id.hex(),
                        "span": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "attributes": _attributes(span.attributes),
                        "status": span.status.message,
                    }
                )

    def _take_logs(self, body: bytes) -> None:
        for group in ExportLogsServiceRequest.FromString(body).resource_logs:
            for record in (record for scope in group.scope_logs for record in scope.log_records):
                self.logs.append(
                    {
                        "text": record.body.string_value,
                        "trace": record.trace_id.hex(),
                        "span": record.span_id.hex(),
                        "attributes": _attributes(record.attributes),
                    }
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """A running collector; call it within a running loop."""
    collecting = Collector()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{path:.*}", collecting.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collecting.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collecting
    finally:
        await runner.cleanup()
