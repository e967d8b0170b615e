"""Holds answers against the API's description: whatever a test is given must stand there.

A status, a header or a field that is served and not described fails the test that saw it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

import functions.http
from functions.http.routes import ROUTES, Route
from functions.openapi.document import document_of

# What the adapter and the host say of every answer.
_EVERYWHERE = {"cache-control", "content-length", "content-type", "date", "server", "x-content-type-options"}


def check_call(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Checks the answer to a request for this path, which begins with /api; what no route has must be an error."""
    _import_routes()
    below = path.removeprefix("/api/").partition("?")[0]
    if not path.startswith("/api/"):
        return
    route = next((found for found in ROUTES if found.method == method and found.matches(below)), None)
    if route is not None:
        check_answer(route, status, headers, body)
    elif status != 404 or body is not None:
        assert status in (404, 405), f"{method} {path} is served ({status}) and not described"
        _check_body(("schemas", "ErrorResponse"), body, f"{method} {path} {status}")


def check_answer(route: Route, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Checks an answer of this route."""
    where = f"{route.name} {status}"
    if status == 500 and body is None:
        # The host's own, when a worker was killed under a call.
        return
    operation = document()["paths"][f"/{route.path}"][route.method.lower()]
    if route.own_answers and not _is_usual(body):
        assert "default" in operation["responses"], where
        return
    described = str(status) if str(status) in operation["responses"] else f"{status // 100}XX"
    assert described in operation["responses"], f"{where} is served and not described"
    response = _whole(operation["responses"][described])
    known = {name.lower() for name in response.get("headers", {})}
    unknown = {name.lower() for name, _ in headers.items()} - known - _EVERYWHERE
    assert not unknown, f"{where}: the headers {sorted(unknown)} are served and not described"
    content = response.get("content", {})
    if not content:
        assert body is None, f"{where} has a body and is described without one"
        return
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "application/json")
    media_type = kind.partition(";")[0].strip()
    assert media_type in content or "*/*" in content, f"{where}: {media_type} is served and not described"
    if "json" in media_type:
        _check_body(("paths", f"/{route.path}", route.method.lower(), described), body, where)


@cache
def document() -> dict[str, Any]:
    """The description of all routes of the app."""
    _import_routes()
    return document_of([])


def _import_routes() -> None:
    for found in pkgutil.iter_modules(functions.http.__path__):
        importlib.import_module(f"functions.http.{found.name}")


def _is_usual(body: Any) -> bool:
    return isinstance(body, dict) and ("executionId" in body or {"error", "message", "details"} == set(body))


def _whole(response: dict[str, Any]) -> dict[str, Any]:
    reference = response.get("$ref")
    return document()["components"]["responses"][reference.rpartition("/")[2]] if reference else response


@cache
def _validator(place: tuple[str, ...]) -> Draft202012Validator:
    if place[0] == "schemas":
        schema: dict[str, Any] = {"$ref": f"#/components/schemas/{place[1]}"}
    else:
        response = _whole(document()["paths"][place[1]][place[2]]["responses"][place[3]])
        schema = response["content"]["application/json"].get("schema", {})
        if "anyOf" in schema and {} in schema["anyOf"]:
            # Endpoints: an answer that is not the workflow's own must be the usual one.
            schema = next(member for member in schema["anyOf"] if member)
    return Draft202012Validator({**schema, "components": document()["components"]})


def _check_body(place: tuple[str, ...], body: Any, where: str) -> None:
    problems = [
        f"{'.'.join(map(str, found.absolute_path))}: {re.sub(chr(10), ' ', found.message)[:300]}"
        for found in _validator(place).iter_errors(body)
    ]
    assert problems == [], f"{where} is not as described: {problems}"
