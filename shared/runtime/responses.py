"""The HTTP answer that a workflow returns, made one that can be sent, while its run still goes on.

What was left out or changed stands in the run's log, where its author looks; a caller never gets an empty 500 for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

from shared.logs.buffer import LogBuffer
from shared.logs.masking import SecretMask
from shared.models.results import EndpointResponse
from shared.serialization import MAX_VALUE_BYTES, result_to_json, to_json

Level = Literal["info", "warning", "error"]
Tell = Callable[[Level, str], None]

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
# Azure's host sends ASCII alone; other characters make an empty 500 of the whole answer.
_VALUE = re.compile(r"[\t\x20-\x7e]{0,8000}")
_MAX_HEADERS = 100
_WITHOUT_BODY = frozenset({204, 205, 304})
_WRONG_STATUS = 500
_LONGEST_SHOWN = 60


def take_response(response: EndpointResponse, logs: LogBuffer) -> tuple[dict[str, Any], EndpointResponse]:
    """What is sent, and what the record says of it.

    Args:
        response: as the workflow returned it; its body and headers may be anything.
        logs: of the run.

    Returns:
        `{"statusCode", "body"}` as JSON for the record, and the answer: its status from 200 to 599, headers that can be
        sent, a body that is None, text, bytes, or JSON.
    """

    def tell(level: Level, message: str) -> None:
        logs.add(level, message, "engine")

    mask = logs.mask
    status = _status(response.status_code, tell)
    body = _body(response.body, mask, tell)
    if body is not None and status in _WITHOUT_BODY:
        tell("warning", f"An answer of status {status} has no body; the workflow's was left out")
        body = None
    headers = _headers(response.headers, mask, tell)
    kept = to_json(body) if isinstance(body, (str, bytes)) else body
    return {"statusCode": status, "body": kept}, EndpointResponse(body, status, headers)


def _status(given: Any, tell: Tell) -> int:
    if isinstance(given, int) and type(given) is not bool and 200 <= given <= 599:
        return int(given)
    tell("error", f"status_code must be a number from 200 to 599, not {_shown(given)}; {_WRONG_STATUS} was sent")
    return _WRONG_STATUS


def _body(given: Any, mask: SecretMask, tell: Tell) -> Any:
    if given is None:
        return None
    if isinstance(given, str):
        text = given.encode("utf-8", "backslashreplace").decode()
        if text != given:
            tell("warning", "The answer's body has characters that can't be sent; they were written as \\u…")
        return mask.text(text)
    if isinstance(given, (bytes, bytearray, memoryview)):
        return mask.raw(bytes(cast("bytes", given)))
    # Where it is no plain JSON, it is converted once: an iterator is used up by that.
    try:
        whole = len(json.dumps(given, ensure_ascii=False, allow_nan=False)) <= MAX_VALUE_BYTES
    except Exception as error:  # noqa: BLE001 - whatever the values' own methods raise; the conversion takes them all
        whole = True
        tell("info", f"The answer's body is no plain JSON and was converted ({type(error).__name__}: {error})"[:500])
    if not whole:
        tell("warning", f"The answer's body has more than {MAX_VALUE_BYTES >> 20} MiB of JSON and was cut")
    return mask.json(result_to_json(given))


def _headers(given: Any, mask: SecretMask, tell: Tell) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in _pairs(given, tell):
        if value is None:
            tell("warning", f"The header {_shown(name)} was left out: its value is None")
            continue
        # The value may be a secret, and the name of one that can't be sent anything at all.
        if not _NAME.fullmatch(name):
            tell("warning", f"A header was left out, since {_shown(name)} can't be the name of one")
        elif name.lower() in _DROPPED_HEADERS:
            tell("warning", f"The header {name} was left out: it is not for workflows to send")
        elif not _VALUE.fullmatch(value):
            tell("warning", f"The header {name} was left out: its value must be ASCII, in one line of 8,000 characters")
        elif len(headers) >= _MAX_HEADERS and name.title() not in headers:
            tell("warning", f"The header {name} was left out: an answer has at most {_MAX_HEADERS}")
        else:
            # One spelling, so that none is there twice.
            headers[name.title()] = mask.text(value)
    # What is masked is no ASCII any more.
    for name in [name for name, value in headers.items() if not value.isascii()]:
        tell("warning", f"The header {name} was left out: it holds a secret")
        del headers[name]
    return headers


def _pairs(given: Any, tell: Tell) -> Iterable[tuple[str, str | None]]:
    if given is None:
        return []
    try:
        pairs = list(cast("Mapping[Any, Any]", given).items() if isinstance(given, Mapping) else given)
        return [(str(name), _text(str(name), value, tell)) for name, value in pairs]
    except Exception as error:  # noqa: BLE001 - whatever the values' own methods raise
        tell("warning", f"All headers were left out: they are no mapping of names to text ({type(error).__name__})")
        return []


def _text(name: str, value: Any, tell: Tell) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, bytes, int, float)):
        tell("info", f"The value of the header {_shown(name)} is a {type(value).__name__} and was made text")
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip()


def _shown(given: Any) -> str:
    """A few characters of a number or a text, the class of anything else."""
    if not isinstance(given, (str, int, float)):
        return type(given).__name__
    text = repr(given)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
