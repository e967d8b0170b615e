"""The endpoints of the workspace's workflows: a path for each, with its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from functions.http.routes import JSON, Route
from functions.openapi.operations import header_parameters, responses_of
from functions.openapi.schemas import Schema, Schemas, free_parameters, query_parameter
from functions.openapi.security import security_of
from shared.errors import MethodNotAllowedError
from shared.parameters.json_schema import (
    may_return_response,
    parameter_schema,
    parameters_of,
    parameters_schema,
)
from shared.parameters.validation import is_required
from shared.registry import FunctionMetadata

# Azure's own: what stands there is neither passed on nor recorded.
_RESERVED = "code"


def endpoint_operation(
    route: Route, metadata: FunctionMetadata, schemas: Schemas, links: Mapping[int, Schema]
) -> Schema:
    """The call of one workflow by one method.

    Args:
        route: of all endpoints, with this method.
        metadata: the workflow's.
        schemas: of what the routes answer.
        links: of the route's answers.
    """
    # The method is one that it takes.
    errors = tuple(error for error in route.errors if error is not MethodNotAllowedError)
    own = replace(route, errors=errors, own_answers=may_return_response(metadata))
    operation: Schema = {
        "operationId": f"{route.name}_{metadata.name}",
        "tags": ["endpoints"],
        "summary": metadata.description or metadata.name,
        "parameters": header_parameters(own),
        "responses": responses_of(own, schemas, links),
        "security": security_of(route.access, is_public=metadata.public_endpoint),
    }
    if route.method in ("GET", "DELETE"):
        operation["parameters"] = [*_query(metadata), *operation["parameters"]]
    else:
        schema = parameters_schema(metadata)
        operation["requestBody"] = {"required": "required" in schema, "content": {JSON: {"schema": schema}}}
    return operation


def _query(metadata: FunctionMetadata) -> list[Schema]:
    parameters, takes_others = parameters_of(metadata)
    found = [
        query_parameter(parameter.name, parameter_schema(parameter), required=is_required(parameter))
        for parameter in parameters
        if parameter.name.lower() != _RESERVED
    ]
    return [*found, free_parameters()] if takes_others else found
