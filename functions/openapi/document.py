"""The whole document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache

from functions.http.routes import JSON, ROUTES, AnyContent, Nothing, Route
from functions.openapi.endpoints import endpoint_operation
from functions.openapi.operations import (
    SHARED_PARAMETERS,
    error_responses,
    links_of,
    operation_of,
    tag_of,
)
from functions.openapi.schemas import Schema, Schemas
from functions.openapi.security import SCHEMES
from shared.access.principal import Access
from shared.models.errors import ErrorResponse
from shared.registry import FunctionMetadata

OPENAPI = "3.1.0"
API_VERSION = "1.0.0"
_PATHS = "openapi_paths"
_ABOUT = """\
Workflows, the forms that start them, and their executions.

Answers outside 2xx are an `ErrorResponse`. A workflow that ran and failed is an HTTP error at `/endpoints` alone;
elsewhere it is 200 with `status: "Failed"`. Times are ISO 8601 in UTC. Requests may write names in snake_case, too.
A wrong method is a 405 and an unknown address a 404, each an `ErrorResponse`."""


def document_of(endpoints: Iterable[FunctionMetadata]) -> Schema:
    """The description of all routes, and of the endpoints of these workflows.

    The parts that all documents share are made once; they are not to be changed.
    """
    routes = tuple(ROUTES)
    paths, schemas, components = _base(routes)
    own: dict[str, Schema] = {}
    for metadata in endpoints:
        own |= _paths_of(metadata, routes, schemas)
    return {
        "openapi": OPENAPI,
        "info": {"title": "Workflow platform", "version": API_VERSION, "description": _ABOUT},
        "servers": [{"url": "/api"}],
        "tags": [{"name": tag} for tag in sorted({tag_of(route) for route in routes})],
        "paths": dict(sorted({**paths, **own}.items())),
        "components": components,
    }


def document_text(endpoints: Iterable[FunctionMetadata]) -> str:
    return json.dumps(document_of(endpoints), ensure_ascii=False, separators=(",", ":"))


def _paths_of(metadata: FunctionMetadata, routes: Sequence[Route], schemas: Schemas) -> dict[str, Schema]:
    # A workspace that is loaded anew has new metadata.
    known: tuple[Sequence[Route], dict[str, Schema]] | None = metadata.derived.get(_PATHS)
    if known is not None and known[0] == routes:
        return known[1]
    paths: dict[str, Schema] = {}
    for route in routes:
        if route.access is Access.ENDPOINT and route.method in metadata.allowed_methods:
            path = "/" + route.path.replace(f"{{{route.parameters[0]}}}", metadata.name)
            operation = endpoint_operation(route, metadata, schemas, links_of(route, routes, schemas))
            paths.setdefault(path, {})[route.method.lower()] = operation
    metadata.derived[_PATHS] = (routes, paths)
    return paths


# Routes are declared once, when the app is imported; tests may declare more.
@lru_cache(maxsize=4)
def _base(routes: Sequence[Route]) -> tuple[dict[str, Schema], Schemas, Schema]:
    schemas = Schemas(
        [route.body for route in routes if route.body not in (Nothing, AnyContent)],
        [ErrorResponse, *_answered(routes)],
    )
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = operation_of(route, routes, schemas)
    components = {
        "schemas": dict(sorted(schemas.components.items())),
        "responses": error_responses(routes, schemas),
        "parameters": SHARED_PARAMETERS,
        "securitySchemes": SCHEMES,
    }
    return paths, schemas, components


def _answered(routes: Iterable[Route]) -> Iterable[object]:
    answers = [answer for route in routes for answer in route.described_answers.values()]
    return [answer.model for answer in answers if answer.model is not None and answer.media_type == JSON]
