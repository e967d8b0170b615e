"""A workflow's own HTTP answer, as it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functions.http.adapter import RawReply
from shared.context import EndpointResponse


def endpoint_reply(response: EndpointResponse, headers: Mapping[str, str]) -> RawReply:
    """The answer: text and bytes as they are, anything else as JSON.

    Args:
        response: as the engine took it.
        headers: the platform's own; they stand beside the workflow's.
    """
    body: Any = response.body
    kind: dict[str, str] = {}
    if body is None:
        content = b""
    elif isinstance(body, str):
        content, kind = body.encode("utf-8", "replace"), {"Content-Type": "text/plain; charset=utf-8"}
    elif isinstance(body, bytes):
        content, kind = body, {"Content-Type": "application/octet-stream"}
    else:
        content, kind = json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json"}
    return RawReply(content, response.status_code, {**kind, **(response.headers or {}), **headers})
