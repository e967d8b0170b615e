"""The one way in and out of HTTP: caller, body and query are read, the entry point called, its answer or error sent."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import azure.functions as func
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from functions.http.routes import IDEMPOTENCY_KEY, ROUTES, AnyContent, Nothing, RequestHeader, Route
from shared.access.principal import Access, Principal, authorize, refuse_forged
from shared.context import HttpRequestInfo
from shared.errors import (
    FieldError,
    InvalidInputError,
    PlatformError,
    UnauthorizedError,
)
from shared.executions.idempotency import IdempotencyKey
from shared.handlers.encoded_fields import FieldValues, joined, read_query
from shared.handlers.request_bodies import check_arrival, read_json_object
from shared.handlers.services import get_services
from shared.models.errors import ErrorResponse
from shared.settings.environment import get_settings
from shared.telemetry import continue_trace

logger = logging.getLogger(__name__)

# Azure reads keys from this query parameter; it is neither passed on nor recorded.
_KEY_PARAMETER = "code"
_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

BodyT = TypeVar("BodyT", bound=BaseModel)
QueryT = TypeVar("QueryT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """A request that has passed the adapter.

    Attributes:
        principal_or_none: who is calling, None for nobody.
        body, query: read as the route's models.
        path: the route's parameters.
        http: the request as it came, without the query parameter that is Azure's.
        url: the whole address that was called, which signatures are made of.
        query_values: the query's parameters; one that comes more than once is a list.
        route: method and path of the request, below `/api`.
        declared: the route as it is declared.
    """

    principal_or_none: Principal | None
    body: BodyT
    query: QueryT
    path: Mapping[str, str]
    http: HttpRequestInfo
    url: str
    query_values: FieldValues
    route: str
    declared: Route

    def header(self, header: RequestHeader) -> str | None:
        """The value of a header that the route declares; None when the request has none.

        Raises:
            LookupError: the route does not declare it, so that its description would not say so either.
        """
        if header not in self.declared.headers:
            raise LookupError(f"The route {self.declared.name} does not declare the header {header.name}")
        return self.http.headers.get(header.name.lower())

    @property
    def principal(self) -> Principal:
        """Who is calling, on routes that nobody can use unknown."""
        if self.principal_or_none is None:
            raise UnauthorizedError("Sign in to use this")
        return self.principal_or_none

    @property
    def idempotency_key(self) -> IdempotencyKey | None:
        """The request's Idempotency-Key; None when it has none.

        Raises:
            BadRequestError: it is no printable ASCII, or longer than 255 characters.
        """
        text = self.header(IDEMPOTENCY_KEY)
        if text is None:
            return None
        return IdempotencyKey.of(text, self.route, [self.body.model_dump(), self.query.model_dump()])


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not simply 200: its status and headers besides the model."""

    model: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class RawReply:
    """An answer whose body is sent as it is; its Content-Type stands among the headers."""

    content: bytes
    status: int
    headers: Mapping[str, str]


EntryPoint = Callable[[Call[BodyT, QueryT]], Awaitable[Any]]


def route(
    blueprint: func.Blueprint,
    method: str,
    path: str,
    *,
    name: str,
    access: Access,
    summary: str,
    answers: Mapping[int, object],
    body: type[BodyT] = Nothing,
    query: type[QueryT] = Nothing,
    headers: tuple[RequestHeader, ...] = (),
    errors: tuple[type[PlatformError], ...] = (),
    runs_code: bool = False,
    own_answers: bool = False,
) -> Callable[[EntryPoint[BodyT, QueryT]], EntryPoint[BodyT, QueryT]]:
    """Declares an entry point; see `Route` for the arguments. It gets a `Call` and returns a model or a reply."""
    declared = Route(
        name=name,
        method=method,
        path=path,
        access=access,
        summary=summary,
        body=body,
        query=query,
        headers=headers,
        answers=answers,
        errors=errors,
        runs_code=runs_code,
        own_answers=own_answers,
    )
    ROUTES.append(declared)

    def decorate(entry_point: EntryPoint[BodyT, QueryT]) -> EntryPoint[BodyT, QueryT]:
        async def serve(req: func.HttpRequest) -> func.HttpResponse:
            response = await _guarded(req, functools.partial(_serve, declared, entry_point, req))
            return _without_body(response) if method == "HEAD" else response

        register(blueprint, name, path, [method], serve)
        return entry_point

    return decorate


def register(
    blueprint: func.Blueprint,
    name: str,
    path: str,
    methods: list[str],
    serve: Callable[[func.HttpRequest], Awaitable[func.HttpResponse]],
) -> None:
    """Makes `serve` an Azure function. Callers are the platform's own to know, so Azure's keys are not asked for."""
    decorate = blueprint.route(route=path, methods=methods, auth_level=func.AuthLevel.ANONYMOUS)
    blueprint.function_name(name)(decorate(serve))


async def _serve(declared: Route, entry_point: EntryPoint[Any, Any], req: func.HttpRequest) -> func.HttpResponse:
    headers = {name.lower(): value for name, value in cast("Mapping[str, str]", req.headers).items()}
    continue_trace(headers)
    principal = await get_services().authentication.authenticate(headers, get_settings())
    authorize(principal, declared.access)
    if declared.method != "GET" or declared.runs_code:
        refuse_forged(principal, headers, declared.method)
    query = {name: value for name, value in read_query(req.url).items() if name.lower() != _KEY_PARAMETER}
    raw = req.get_body()
    call = Call(
        principal_or_none=principal,
        body=await _read_body(headers, raw, declared.body),
        query=_read_query(query, declared.query),
        path=dict(req.route_params),
        http=HttpRequestInfo(declared.method, headers, {name: joined(value) for name, value in query.items()}, raw),
        url=req.url,
        query_values=query,
        route=f"{declared.method} {declared.path.format_map(req.route_params)}",
        declared=declared,
    )
    answer = await entry_point(call)
    return _response(answer if isinstance(answer, (Reply, RawReply)) else Reply(answer))


async def _guarded(req: func.HttpRequest, serve: Callable[[], Awaitable[func.HttpResponse]]) -> func.HttpResponse:
    try:
        return await serve()
    except PlatformError as error:
        return error_response(error)
    except Exception:
        # Azure would answer 500 with an empty body. What happened is for the log; the caller learns that it was not
        # them.
        logger.exception("%s %s failed", req.method, req.url.partition("?")[0])
        return error_response(PlatformError("Something went wrong on our side"))


def error_response(error: PlatformError) -> func.HttpResponse:
    """The answer that an error becomes."""
    return _response(error_reply(error))


def error_reply(error: PlatformError, headers: Mapping[str, str] | None = None) -> Reply:
    """The same, with headers besides."""
    details = dict(error.details) if error.details is not None else None
    model = ErrorResponse(error=error.code, message=error.message, details=details)
    return Reply(model, error.answer_status, {**error.headers, **(headers or {})})


def _response(reply: Reply | RawReply) -> func.HttpResponse:
    headers = {**_ALWAYS, **reply.headers}
    if isinstance(reply, RawReply):
        return func.HttpResponse(reply.content, status_code=reply.status, headers=headers)
    if reply.model is None:
        return func.HttpResponse(status_code=reply.status, headers=headers)
    if isinstance(reply.model, BaseModel):
        text = reply.model.model_dump_json(by_alias=True).encode()
    else:
        text = to_json(reply.model, by_alias=True)
    return func.HttpResponse(text, status_code=reply.status, headers=headers, mimetype="application/json")


def _without_body(response: func.HttpResponse) -> func.HttpResponse:
    """The same answer as a HEAD has it (RFC 9110, section 9.3.2)."""
    return func.HttpResponse(
        status_code=response.status_code,
        headers=dict(response.headers),
        mimetype=response.mimetype,
        charset=response.charset,
    )


async def _read_body(headers: Mapping[str, str], raw: bytes, model: type[BodyT]) -> BodyT:
    if cast("type[BaseModel]", model) is Nothing:
        # A client may send a body with any method; where none is read, it is no error.
        return model()
    check_arrival(headers, raw)
    if cast("type[BaseModel]", model) is AnyContent:
        return model()
    return _validated(model, await read_json_object(headers, raw), "body")


def _read_query(values: FieldValues, model: type[QueryT]) -> QueryT:
    if cast("type[BaseModel]", model) in (Nothing, AnyContent):
        return model()
    own = {text for name, field in model.model_fields.items() for text in (name, field.alias or name)}
    # A field of the model that is empty is left out, as pages send filters that nobody has filled in.
    given = {
        name: joined(value) if name in own else value
        for name, value in values.items()
        if not (name in own and value == "")
    }
    return _validated(model, given, "query")


ModelT = TypeVar("ModelT", bound=BaseModel)


def _validated(model: type[ModelT], value: Any, where: str) -> ModelT:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
    known = ", ".join(field.alias or name for name, field in model.model_fields.items())
    names = ", ".join(".".join(str(part) for part in found["loc"]) or where for found in wrong[:5])
    unknown = [found for found in wrong if found["type"] == "extra_forbidden" and len(found["loc"]) == 1]
    errors = [
        FieldError(
            loc=[where, *found["loc"]],
            type=found["type"],
            msg=f"There is no such field; there are {known}" if found in unknown else found["msg"],
        )
        for found in wrong
    ]
    hint = f"; there are {known}" if unknown else ""
    raise InvalidInputError(f"The {where} is not valid: {names}{hint}", errors)
