"""A workflow's own HTTP answer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from functions.http.adapter import RawReply
from shared.context import EndpointResponse
from shared.errors import PlatformError
from shared.serialization import to_json

logger = logging.getLogger(__name__)

# Those of one connection (RFC 9110, section 7.6.1), those that the host makes, and cookies: the app's sign-in lives in
# a cookie of the same origin, which a workflow has no business with.
_DROPPED_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-content-type-options",
    }
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8000}")
_WITHOUT_BODY = frozenset({204, 205, 304})


def endpoint_reply(response: EndpointResponse) -> RawReply:
    """The answer: text and bytes as they are, anything else as JSON.

    Raises:
        PlatformError: its status is no number from 200 to 599.
    """
    status = response.status_code
    if type(status) is not int or not 200 <= status <= 599:
        raise PlatformError("The workflow answered with a status that is no number from 200 to 599")
    headers = _headers(response.headers or {})
    body: Any = response.body
    if body is None or status in _WITHOUT_BODY:
        return RawReply(b"", status, headers)
    if isinstance(body, str):
        content, kind = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    elif isinstance(body, (bytes, bytearray)):
        content, kind = bytes(body), "application/octet-stream"
    else:
        content, kind = json.dumps(to_json(body), ensure_ascii=False).encode(), "application/json"
    return RawReply(content, status, {"Content-Type": kind} | headers)


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, content in given.items():
        name, value = str(key), str(content).strip()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            logger.warning("A header that a workflow answered with can't be sent and was left out")
        elif name.lower() not in _DROPPED_HEADERS:
            # One spelling, so that none is there twice.
            headers[name.title()] = value
    return headers
