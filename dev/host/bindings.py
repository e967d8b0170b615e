"""What a function gets and gives, in the worker: frames to the SDK's objects and back, by the SDK's own converters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from azure.functions import meta

from dev.host.app_loader import LoadedFunction
from dev.host.functions import HTTP_TRIGGER, QUEUE_TRIGGER, TIMER_TRIGGER


def decode_trigger(function: LoadedFunction, header: Mapping[str, Any], body: bytes) -> Any:
    """The argument of the trigger: an HttpRequest, a QueueMessage, a TimerRequest."""
    kind = function.trigger["type"]
    converter = _converter(kind)
    if kind == HTTP_TRIGGER:
        return converter.decode(_http_datum(header, body), trigger_metadata=None)
    if kind == TIMER_TRIGGER:
        return converter.decode(meta.Datum(body.decode(), "json"), trigger_metadata=None)
    assert kind == QUEUE_TRIGGER
    if str(function.trigger.get("dataType")).upper() == "BINARY":
        message = meta.Datum(body, "bytes")
    else:
        message = meta.Datum(body.decode("utf-8", "replace"), "string")
    # The host sends what is no string as JSON.
    metadata = {name: meta.Datum(json.dumps(value), "json") for name, value in header["metadata"].items()}
    return converter.decode(message, trigger_metadata=metadata)


def encode_result(function: LoadedFunction, result: Any) -> tuple[dict[str, Any], bytes]:
    """What the function returned, as header and body of a frame.

    Raises:
        TypeError: it can't be an answer; None can't, either, where an HTTP function has an output.
    """
    if not function.returns_http:
        return {"kind": "none"}, b""
    try:
        datum = _converter("http").encode(result, expected_type=None)
    except NotImplementedError:
        raise TypeError(f"an HTTP function can't return {type(result).__name__}; return an HttpResponse") from None
    if datum.type == "string":
        return {"kind": "text"}, datum.value.encode()
    answer = datum.value
    header = {
        "kind": "http",
        "status": answer["status_code"].value,
        "headers": {name: value.value for name, value in answer["headers"].items()},
        "cookies": [_cookie_text(morsel) for cookie in answer["cookies"] or () for morsel in cookie.values()],
    }
    return header, answer["body"].value


def _converter(binding: str) -> Any:
    return meta.get_binding_registry().get(binding)


def _cookie_text(morsel: Any) -> str:
    """A Set-Cookie value. Azure's host escapes the cookie's value, as ASP.NET Core does with all of them."""
    attributes = morsel.OutputString().partition(";")[2]
    text = f"{morsel.key}={quote(morsel.value, safe='')}"
    return f"{text};{attributes}" if attributes else text


def _http_datum(header: Mapping[str, Any], body: bytes) -> meta.Datum:
    def texts(values: Mapping[str, str]) -> dict[str, meta.Datum]:
        return {name: meta.Datum(value, "string") for name, value in values.items()}

    return meta.Datum(
        {
            "method": meta.Datum(header["method"], "string"),
            "url": meta.Datum(header["url"], "string"),
            "headers": texts(header["headers"]),
            "query": texts(header["query"]),
            "params": texts(header["params"]),
            "body": meta.Datum(body, "bytes"),
        },
        "http",
    )
