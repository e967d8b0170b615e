"""What an HTTP request to an endpoint means to its workflow: parameters, and the request itself without secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import parse_qsl

from shared.context import HttpRequestInfo
from shared.errors import BadRequestError
from shared.handlers.json_bodies import read_json
from shared.webhook_signatures import Verification

BODY_PARAMETER = "body"
_MAX_FIELDS = 1000
_MAX_HEADERS = 100
_MAX_HEADERS_CHARACTERS = 32 * 1024

# Who the caller is has been found out; what proves it is not for workflow code, nor for the record.
_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-arr-clientcert",
        "x-dev-principal",
        "x-functions-key",
        "x-result-token",
        "x-zumo-auth",
    }
)
_SECRET_PREFIXES = ("x-ms-client-principal", "x-ms-token-")


def without_secrets(request: HttpRequestInfo) -> HttpRequestInfo:
    """The request as workflow code sees it: no proof of identity, at most 100 headers and 32 KiB of them."""
    headers: dict[str, str] = {}
    left = _MAX_HEADERS_CHARACTERS
    for name, value in request.headers.items():
        if name in _SECRET_HEADERS or name.startswith(_SECRET_PREFIXES):
            continue
        left -= len(name) + len(value)
        if left < 0 or len(headers) >= _MAX_HEADERS:
            break
        headers[name] = value
    return replace(request, headers=headers)


def without_token(request: HttpRequestInfo, verification: Verification) -> HttpRequestInfo:
    """The request without the token that it was verified by; signatures may stay, since each is good for one."""
    if verification.kind != "token":
        return request
    header = (verification.header or "").lower()
    return replace(
        request,
        headers={name: value for name, value in request.headers.items() if name != header},
        query={name: value for name, value in request.query.items() if name != verification.query},
    )


def parameters_of(request: HttpRequestInfo, names: Collection[str]) -> dict[str, Any]:
    """Query and body as one; the body wins.

    A JSON object or a form gives a parameter for each of its fields, a form's field that comes more than once a list.
    A body that is text, or JSON but no object, is the parameter `body` of a workflow that has one. Other bodies are
    only in `context.request`, unless they are JSON objects under another type.

    Args:
        request: as it came.
        names: the workflow's parameters.

    Raises:
        BadRequestError: the body is not what its Content-Type says, or has a number that is too large.
    """
    values: dict[str, Any] = dict(request.query)
    found = _body_of(request)
    if isinstance(found, dict):
        values.update(cast("dict[str, Any]", found))
    elif found is not None and BODY_PARAMETER in names:
        values[BODY_PARAMETER] = found
    return values


def _body_of(request: HttpRequestInfo) -> Any:
    if not request.body.strip():
        return None
    kind, _, options = request.headers.get("content-type", "application/json").partition(";")
    kind = kind.strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return read_json(request.body)
        except ValueError as error:
            raise BadRequestError(f"The body is no JSON: {error}") from None
    if kind.startswith("text/"):
        return _text(request.body, options)
    # Many a client sends JSON and leaves the type as its library has it: a form's, or that of any bytes.
    found = _json_object(request.body)
    if found is None and kind == "application/x-www-form-urlencoded":
        return _form(_text(request.body, ""))
    return found


def _json_object(body: bytes) -> Any:
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        return read_json(body)
    except ValueError:
        return None


def _text(body: bytes, options: str) -> str:
    charset = "utf-8"
    for option in options.split(";"):
        name, _, value = option.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    if charset not in ("utf-8", "us-ascii", "iso-8859-1"):
        raise BadRequestError("The body's charset must be utf-8, us-ascii or iso-8859-1")
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        raise BadRequestError(f"The body is no {charset}") from None


def _form(text: str) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequestError(f"The form has more than {_MAX_FIELDS} fields") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields
