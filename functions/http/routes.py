"""The routes as they are declared: one table that serves requests, answers wrong methods, and describes the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.access.principal import Access
from shared.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    LengthRequiredError,
    NotFoundError,
    PayloadTooLargeError,
    PlatformError,
    PreconditionFailedError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from shared.models.base import ApiModel

_PARAMETER = re.compile(r"\{\*?(\w+)\}")
JSON = "application/json"

# What finding out who is calling may come to, whatever the route, and what nothing is safe from.
_ANYWHERE: tuple[type[PlatformError], ...] = (
    BadRequestError,
    UnauthorizedError,
    ForbiddenError,
    NotFoundError,
    PlatformError,
    ServiceUnavailableError,
)


class Nothing(ApiModel):
    """The body or query of a route that takes none."""


class AnyContent(ApiModel):
    """The body or query of a route that reads it by itself, of whatever type and with whatever names."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestHeader:
    """A header that a route takes.

    Attributes:
        name: as it is written.
        description: a sentence for the API's description.
        schema: the JSON Schema of its value.
        errors: what it may come to, besides the route's own errors.
        answer_headers: headers of an answer that it may bring, and what they mean.
        is_credential: whether it proves something of the caller.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    errors: tuple[type[PlatformError], ...] = ()
    answer_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_credential: bool = False


IDEMPOTENCY_KEY = RequestHeader(
    "Idempotency-Key",
    "The same key within 24 hours, from the same caller and with the same body, runs nothing and gives the first"
    " execution back. Public callers and transient runs have none.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    (ConflictError,),
    {"Idempotent-Replayed": "`true` when an earlier call with this Idempotency-Key began the execution"},
)
IF_MATCH = RequestHeader(
    "If-Match",
    "An ETag: the call is refused when somebody has changed the thing since. Left out, the last one wins.",
    errors=(PreconditionFailedError,),
)
RESULT_TOKEN = RequestHeader(
    "X-Result-Token", "The `resultToken` of a public call's 202; it opens this one result.", is_credential=True
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error.

    Attributes:
        model: of its JSON; None for no content; with another media type nothing is said of the body.
        headers: the names of headers that it may have, and what they mean.
        media_type: of its body.
    """

    model: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One route of the API.

    Attributes:
        name: the Azure function's name; unique. Azure tries routes in the order of these names, so no two may overlap.
        method: GET, POST, PUT, PATCH or DELETE.
        path: below `/api`, with `{parameters}`.
        access: who may use it.
        runs_code: whether a GET runs code, which a browser must not be made to do.
        summary: a sentence for the API's description.
        body, query: the models that the body and the query are read as.
        headers: the headers that it reads itself.
        answers: what each status that is no error comes with: an `Answer`, or just its model; None for no content.
        errors: the errors of its own, besides those that any route, its body or its headers may come to.
        own_answers: whether the workflow behind it may give the answer, of any status and content.
    """

    name: str
    method: str
    path: str
    access: Access
    summary: str
    body: type[BaseModel] = Nothing
    query: type[BaseModel] = Nothing
    headers: tuple[RequestHeader, ...] = ()
    answers: Mapping[int, object] = field(default_factory=dict[int, object])
    errors: tuple[type[PlatformError], ...] = ()
    runs_code: bool = False
    own_answers: bool = False

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters, in their order."""
        return _PARAMETER.findall(self.path)

    @property
    def described_answers(self) -> dict[int, Answer]:
        """`answers`, all of them whole, with the headers that the request's headers bring."""
        brought = {name: text for header in self.headers for name, text in header.answer_headers.items()}
        whole = {
            status: answer if isinstance(answer, Answer) else Answer(answer) for status, answer in self.answers.items()
        }
        return {
            status: Answer(answer.model, {**brought, **answer.headers}, answer.media_type)
            for status, answer in whole.items()
        }

    @property
    def all_errors(self) -> set[type[PlatformError]]:
        """Every error that a request may come to here."""
        found = {*_ANYWHERE, *self.errors, *(error for header in self.headers for error in header.errors)}
        if self.body is not Nothing:
            found |= {LengthRequiredError, PayloadTooLargeError, UnsupportedMediaTypeError}
        if self.body is not Nothing or self.query is not Nothing:
            found.add(InvalidInputError)
        return found

    def matches(self, path: str) -> bool:
        """Whether a path below `/api` is one of this route's, as Azure matches them: ignoring case and a last slash."""
        pattern = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(self.path)[::2])
        return re.fullmatch(pattern + "/?", path, re.IGNORECASE) is not None


ROUTES: list[Route] = []


def methods_of(path: str) -> list[str]:
    """The methods that a path below `/api` answers to."""
    return sorted({route.method for route in ROUTES if route.matches(path)})
