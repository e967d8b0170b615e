"""A route as an OpenAPI operation, and what all operations share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus

from functions.http.routes import JSON, Answer, AnyContent, Nothing, RequestHeader, Route
from functions.openapi.schemas import Schema, Schemas, free_parameters, query_parameters
from functions.openapi.security import security_of
from shared.access.authentication import ORGANIZATION_HEADER
from shared.access.principal import Access
from shared.errors import PlatformError, WorkflowFailedError
from shared.handlers.media_types import FORM, MULTIPART, PLAIN_TEXT, XML
from shared.models.errors import ErrorResponse

_ADMIN_ONLY = "For administrators."
_OWN_ANSWER = (
    "What the workflow itself answers by an `EndpointResponse`: any status (those above, too), content and headers."
)
_LOCATION = "Where it is now"
# The statuses that a `UserError` may have.
_ANY_MISTAKE = "4XX"
WITHOUT_BODY = ("GET", "HEAD", "DELETE", "OPTIONS")
"""The methods of an endpoint whose parameters stand in the query."""
_ORGANIZATION = {"$ref": "#/components/parameters/Organization"}

SHARED_PARAMETERS: dict[str, Schema] = {
    "Organization": {
        "name": ORGANIZATION_HEADER.title(),
        "in": "header",
        "required": False,
        "description": "The organization to work in: any for administrators, without it GLOBAL; for others their own.",
        "schema": {"type": "string"},
    }
}


def operation_of(route: Route, routes: Iterable[Route], schemas: Schemas) -> Schema:
    """The operation; `routes` are those that its answers may link to."""
    operation: Schema = {
        "operationId": route.name,
        "tags": [tag_of(route)],
        "summary": route.summary,
        **({"description": _ADMIN_ONLY} if route.access is Access.ADMIN else {}),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *header_parameters(route)],
        "responses": responses_of(route, schemas, links_of(route, routes, schemas)),
        "security": security_of(route.access),
    }
    body = _request_body(route, schemas)
    if body is not None:
        operation["requestBody"] = body
    return operation


def tag_of(route: Route) -> str:
    """The resource that a route belongs to."""
    return route.path.partition("/")[0].removesuffix(".json")


def responses_of(route: Route, schemas: Schemas, links: Mapping[int, Schema] | None = None) -> Schema:
    """What a route may answer, by status."""
    responses: Schema = {}
    for status, answer in sorted(route.described_answers.items()):
        made = (links or {}).get(status)
        where = {"Location": _LOCATION} if made and status == HTTPStatus.CREATED else {}
        whole = replace(answer, headers={**where, **answer.headers})
        response = responses[str(status)] = _response(status, whole, schemas, made)
        if route.own_answers and answer.model is not None:
            usual = response["content"][JSON]["schema"]
            response["content"] = {JSON: {"schema": {"anyOf": [usual, {}]}}, "*/*": {}}
    for status in sorted(errors_by_status(route)):
        responses[status] = {"$ref": f"#/components/responses/{_response_name(route, status)}"}
    if route.own_answers:
        responses["default"] = {"description": _OWN_ANSWER, "content": {"*/*": {}}}
    return responses


def header_parameters(route: Route) -> list[Schema]:
    """The headers that a route takes; those that say who is calling are security schemes."""
    return [_ORGANIZATION, *(_header_parameter(header) for header in route.headers if not header.is_credential)]


def _header_parameter(header: RequestHeader) -> Schema:
    return {
        "name": header.name,
        "in": "header",
        "required": False,
        "description": header.description,
        "schema": dict(header.schema),
    }


def _path_parameters(route: Route) -> list[Schema]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in route.parameters]


def _query_parameters(route: Route) -> list[Schema]:
    if route.query is AnyContent:
        return [free_parameters()]
    return query_parameters(route.query) if route.query is not Nothing else []


def _request_body(route: Route, schemas: Schemas) -> Schema | None:
    if route.body is Nothing or (route.body is AnyContent and route.method in WITHOUT_BODY):
        return None
    if route.body is AnyContent:
        form = {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}
        text = {"schema": {"type": "string"}}
        content: Schema = {JSON: {}, FORM: form, MULTIPART: form, PLAIN_TEXT: text, XML: text}
        return {"required": False, "content": content}
    schema = schemas.request(route.body)
    return {"required": bool(schemas.dereferenced(schema).get("required")), "content": {JSON: {"schema": schema}}}


def _response(status: int, answer: Answer, schemas: Schemas, links: Schema | None) -> Schema:
    response: Schema = {"description": HTTPStatus(status).phrase}
    if answer.headers:
        response["headers"] = headers_of(answer.headers)
    if answer.media_type != JSON:
        response["content"] = {answer.media_type: {}}
    elif answer.model is not None:
        response["content"] = {JSON: {"schema": schemas.answer(answer.model)}}
    if links:
        response["links"] = links
    return response


def headers_of(headers: Mapping[str, str]) -> Schema:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}


def links_of(route: Route, routes: Iterable[Route], schemas: Schemas) -> dict[int, Schema]:
    """Where to go on after a call that has made something.

    A field of the answer that is named as another route's only parameter leads there; so does `id`, to the routes
    below this one.
    """
    if route.method == "GET":
        return {}
    found: dict[int, Schema] = {}
    for status, answer in route.described_answers.items():
        if answer.model is None or answer.media_type != JSON:
            continue
        fields = schemas.dereferenced(schemas.answer(answer.model)).get("properties", {})
        for other in routes:
            if len(other.parameters) != 1:
                continue
            name = other.parameters[0]
            own = other.path.startswith(f"{route.path}/{{")
            field = name if name in fields else "id" if own and "id" in fields else None
            if field is not None and (own or field == name) and name not in route.parameters:
                link = {"operationId": other.name, "parameters": {name: f"$response.body#/{field}"}}
                found.setdefault(status, {})[other.name] = {**link, "description": other.summary}
    return found


def errors_by_status(route: Route) -> dict[str, set[type[PlatformError]]]:
    """The errors of a route, by their statuses as OpenAPI writes them.

    A run behind an endpoint that fails by a `UserError` has any status of the caller's mistakes.
    """
    found: dict[str, set[type[PlatformError]]] = {}
    for error in route.all_errors:
        found.setdefault(str(error.status), set()).add(error)
    if WorkflowFailedError in route.errors:
        found.setdefault(_ANY_MISTAKE, set())
        for status, errors in found.items():
            if status.startswith("4"):
                errors.add(WorkflowFailedError)
    return found


def _response_name(route: Route, status: str) -> str:
    """The name of the response that stands for an error's status; endpoints have their own."""
    phrase = "Refused" if status == _ANY_MISTAKE else re.sub(r"\W", "", HTTPStatus(int(status)).phrase)
    return f"Endpoint{phrase}" if WorkflowFailedError in route.errors else phrase


def error_responses(routes: Iterable[Route], schemas: Schemas) -> dict[str, Schema]:
    """The responses of all errors, by the names that operations refer to."""
    named: dict[str, set[type[PlatformError]]] = {}
    for route in routes:
        for status, errors in errors_by_status(route).items():
            named.setdefault(_response_name(route, status), set()).update(errors)
    return {name: _error_response(errors, schemas) for name, errors in sorted(named.items())}


def _error_response(errors: set[type[PlatformError]], schemas: Schemas) -> Schema:
    ordered = sorted(errors, key=lambda error: error.code)
    codes = sorted({error.code for error in errors})
    example = {"error": codes[0], "message": _sentence(ordered[0]), "details": None}
    schema = {"allOf": [schemas.answer(ErrorResponse)], "properties": {"error": {"enum": codes}}}
    headers = {name: text for error in ordered for name, text in error.answer_headers.items()}
    return {
        "description": " ".join(dict.fromkeys(_sentence(error) for error in ordered)),
        **({"headers": headers_of(headers)} if headers else {}),
        "content": {JSON: {"schema": schema, "example": example}},
    }


def _sentence(error: type[PlatformError]) -> str:
    if error is PlatformError:
        return "Something went wrong on our side"
    return (error.__doc__ or "").partition("\n")[0]
