"""The endpoints of the workspace's workflows: a path for each, with its own parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from functions.http.routes import JSON, Route
from functions.openapi.operations import WITHOUT_BODY, header_parameters, responses_of
from functions.openapi.schemas import Schema, Schemas, free_parameters, is_plain_value, query_parameter
from functions.openapi.security import security_of
from shared.errors import MethodNotAllowedError
from shared.handlers.endpoint_requests import BODY_PARAMETER
from shared.handlers.media_types import FORM, MULTIPART, PLAIN_TEXT, XML
from shared.parameters.json_schema import (
    may_return_response,
    parameter_schema,
    parameters_of,
    parameters_schema,
)
from shared.parameters.validation import is_required
from shared.registry import FunctionMetadata
from shared.webhooks.signatures import read_verification

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
        "parameters": _once([*_delivery_parameters(route.method, metadata), *header_parameters(own)]),
        "responses": responses_of(own, schemas, links),
        "security": security_of(route.access, is_public=metadata.public_endpoint),
    }
    if route.method in WITHOUT_BODY:
        operation["parameters"] = _once([*operation["parameters"], *_query(metadata)])
    else:
        operation["requestBody"] = _request_body(metadata)
    return operation


def _request_body(metadata: FunctionMetadata) -> Schema:
    """The bodies that give the workflow its parameters; what it does not know is left out."""
    parameters, _ = parameters_of(metadata)
    fields: Schema = {**parameters_schema(metadata), "additionalProperties": True}
    # What has a structure is JSON text in a form.
    encoded = {
        name: {"contentType": JSON} for name, schema in fields["properties"].items() if not is_plain_value(schema)
    }
    form = {"schema": fields, **({"encoding": encoded} if encoded else {})}
    content: Schema = {JSON: {"schema": fields}, FORM: form, MULTIPART: form}
    whole = next((parameter for parameter in parameters if parameter.name == BODY_PARAMETER), None)
    if whole is not None:
        if not any(is_required(parameter) for parameter in parameters if parameter is not whole):
            content[JSON] = {"schema": {"anyOf": [fields, parameter_schema(whole)]}}
        content[PLAIN_TEXT] = content[XML] = {"schema": {"type": "string"}}
    return {"required": "required" in fields, "content": content}


def _once(parameters: Iterable[Schema]) -> list[Schema]:
    """The first of each name: a workflow may use a header or a parameter for what others use it for, too."""
    found: dict[object, Schema] = {}
    for parameter in parameters:
        name = parameter.get("name")
        key = (parameter["in"], name.lower() if parameter["in"] == "header" else name) if name else parameter["$ref"]
        found.setdefault(key, parameter)
    return list(found.values())


def _delivery_parameters(method: str, metadata: FunctionMetadata) -> list[Schema]:
    """What proves who sent a delivery, and the header that tells it from others."""
    found: list[Schema] = []
    if metadata.verify is not None:
        verification = read_verification(metadata.verify)
        if method in verification.methods and method != "HEAD":
            found += [_proof("header", name, verification.kind) for name in verification.headers]
            found += [_proof("query", verification.query, verification.kind)] if verification.query else []
    if metadata.dedupe_header is not None:
        about = "The delivery's id: one that comes again gets the first run's answer, unless that run failed."
        schema = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append(
            {"name": metadata.dedupe_header, "in": "header", "required": False, "description": about, "schema": schema}
        )
    return found


def _proof(place: str, name: str, kind: str) -> Schema:
    about = f"Proves who sent it (verify, {kind}); without it, or when it is wrong, the answer is 401."
    return {"name": name, "in": place, "required": True, "description": about, "schema": {"type": "string"}}


def _query(metadata: FunctionMetadata) -> list[Schema]:
    parameters, takes_others = parameters_of(metadata)
    found = [
        query_parameter(parameter.name, parameter_schema(parameter), required=is_required(parameter))
        for parameter in parameters
        if parameter.name.lower() != _RESERVED
    ]
    return [*found, free_parameters()] if takes_others else found
