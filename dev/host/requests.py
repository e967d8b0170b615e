"""HTTP to function call and back, as Azure's host converts them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from multidict import CIMultiDict

from dev.host.worker_process import Answer

PRINCIPAL_HEADER = "x-ms-client-principal"
# Set by App Service Authentication alone, never by callers:
# https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
_IDENTITY_PREFIXES = (PRINCIPAL_HEADER, "x-ms-token-")

# Set by the server for the connection, not by functions.
_SERVERS_OWN = {"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"}


class AnswerError(Exception):
    """The function's answer is no HTTP answer; Azure gives 500 for it. The message says what is wrong."""


def principal_from(claims: str) -> str:
    """The value of X-MS-CLIENT-PRINCIPAL for the setting LOCAL_HOST_PRINCIPAL.

    Raises:
        ValueError: the setting is no JSON object.
    """
    if not isinstance(json.loads(claims), dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - a wrong value, not a wrong call
    return base64.b64encode(claims.encode()).decode()


def decoded_path(raw: str) -> str:
    """The path as routes see it: percent-decoded but for `%2F`, and without dot segments (RFC 3986, section 5.2.4)."""
    parts = [unquote(part).replace("/", "%2F") for part in raw.split("/")]
    if "." in parts or ".." in parts:
        segments: list[str] = []
        for part in parts[1:]:
            if part == "..":
                del segments[-1:]
            elif part != ".":
                segments.append(part)
        if parts[-1] in (".", ".."):
            segments.append("")
        parts = ["", *segments]
    return "/".join(parts)


def joined_query(query: str) -> dict[str, str]:
    """Query values by name: empty ones left out, repeated ones joined by a comma, names compared without case."""
    values: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=False):
        values.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def joined_headers(headers: Iterable[tuple[str, str]], principal: str | None) -> dict[str, str]:
    """Headers by lower-case name, repeated ones joined by a comma, with the identity that the host vouches for."""
    values: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if not lower.startswith(_IDENTITY_PREFIXES):
            values[lower] = f"{values[lower]},{value}" if lower in values else value
    if principal is not None:
        values[PRINCIPAL_HEADER] = principal
    return values


def call_header(request: web.BaseRequest, parameters: Mapping[str, str], principal: str | None) -> dict[str, Any]:
    """What of a request goes to the worker, besides the body."""
    path, _, query = request.raw_path.partition("?")
    return {
        "method": request.method,
        "url": f"http://{request.host}{path}{'?' + query if query else ''}",
        "headers": joined_headers(request.headers.items(), principal),
        "query": joined_query(query),
        "params": dict(parameters),
    }


def to_response(answer: Answer) -> web.Response:
    """The HTTP answer for what a function returned.

    Raises:
        AnswerError: it can't be sent.
    """
    kind = answer.header["kind"]
    if kind == "none":
        return web.Response(status=204)
    if kind == "text":
        return _from_text(answer.body.decode())
    return _response(answer.header["status"], answer.header["headers"], answer.header["cookies"], answer.body)


def _from_text(text: str) -> web.Response:
    """A returned `str` is read as JSON, and an object with `body` as a whole answer.

    Hence functions should return HttpResponse: text of a user's could be such an object.
    """
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    status: Any = 200
    headers: dict[str, str] = {}
    if isinstance(content, dict) and "body" in content:
        status = content.get("status", content.get("statusCode", 200))
        given = content.get("headers")
        headers = {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
        content = content["body"]
    if content is None:
        return _response(status, headers, [], b"")
    plain = isinstance(content, str)
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = f"{'text/plain' if plain else 'application/json'}; charset=utf-8"
    return _response(status, headers, [], (content if plain else json.dumps(content)).encode())


def _response(status: Any, headers: Mapping[str, str], cookies: Iterable[str], body: bytes) -> web.Response:
    try:
        code = int(status)
    except (TypeError, ValueError):
        code = 0
    if not 200 <= code <= 999:
        raise AnswerError(f"{status!r} is no status code")
    sent: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _SERVERS_OWN:
            sent.add(name, _checked(name, value))
    for cookie in cookies:
        sent.add("Set-Cookie", _checked("Set-Cookie", cookie))
    return web.Response(status=code, headers=sent, body=body or None)


def _checked(name: str, value: str) -> str:
    # Azure's server refuses these too: they could begin another header.
    if not (value.isascii() and (value.isprintable() or value.replace("\t", "").isprintable())):
        raise AnswerError(f"the header {name} has characters other than printable ASCII")
    return value
