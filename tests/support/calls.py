"""Calls to the app's HTTP functions in this process, as Azure makes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import azure.functions as func

from dev.host.requests import joined_query
from functions.http.routes import ROUTES, Route
from tests.support.described import check_answer


@dataclass(frozen=True, slots=True)
class Called:
    """An answer; `body` is its JSON, its text when it is none, None when it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any


def app_routes() -> dict[str, Route]:
    """The routes of the whole app, by the names of their functions; the settings must be there."""
    functions()
    return {route.name: route for route in ROUTES}


@lru_cache(maxsize=1)
def functions() -> dict[str, Any]:
    """The app's functions by name. It reads the settings when it is imported, and gives its functions once."""
    import function_app

    return {str(found.get_function_name()): found.get_user_function() for found in function_app.app.get_functions()}


async def call(
    name: str,
    path: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    query_string: str | None = None,
    body: Any = None,
    raw: bytes | None = None,
) -> Called:
    """Calls the function of this name; what it answers must be what the API's description says.

    Args:
        name: of the function.
        path: the route's parameters.
        headers, query: of the request; `query_string` for one that is to be sent as it is.
        body: sent as JSON; `raw` as it is.
    """
    route = app_routes()[name]
    filled = re.sub(r"\{(\w+)\}", lambda found: (path or {})[found[1]], route.path)
    content = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
    sent = query_string if query_string is not None else urlencode(query or {})
    request = func.HttpRequest(
        route.method,
        f"http://127.0.0.1/api/{filled}?{sent}",
        headers=headers,
        # As the host has it, without what is empty.
        params=joined_query(sent),
        route_params=path,
        body=content,
    )
    response = await functions()[name](request)
    text = response.get_body()
    try:
        answer = json.loads(text) if text else None
    except ValueError:
        answer = text.decode(errors="backslashreplace")
    check_answer(route, response.status_code, response.headers, answer)
    return Called(response.status_code, response.headers, answer)
