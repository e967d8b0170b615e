"""What an HTTP request to an endpoint means to its workflow: parameters, and the request itself without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from shared.context import HttpRequestInfo
from shared.errors import UnsupportedMediaTypeError
from shared.handlers.blanks import without_blanks
from shared.handlers.encoded_fields import FieldValues, joined
from shared.handlers.media_types import MediaType
from shared.handlers.request_bodies import Body, read_body
from shared.parameters.json_schema import is_required
from shared.parameters.json_schema import parameters_of as described_parameters
from shared.parameters.validation import ParameterValidator, plan_of
from shared.registry import FunctionMetadata
from shared.webhooks.signatures import Verification

BODY_PARAMETER = "body"
_TEXT_TYPES = ("string", "email")
_TAKEN = "endpoint_parameters"
_MOST_NAMES = 20
_LONGEST_NAME = 100
_MAX_HEADERS = 100
_MAX_HEADERS_CHARACTERS = 32 * 1024

# Who the caller is has been found out; what proves it is not for workflow code, nor for the record.
_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-arr-clientcert",
        "x-dev-principal",
        "x-functions-key",
        "x-result-token",
        "x-zumo-auth",
    }
)
_SECRET_PREFIXES = ("x-ms-client-principal", "x-ms-token-")


def without_secrets(request: HttpRequestInfo) -> HttpRequestInfo:
    """The request as workflow code sees it: no proof of identity, at most 100 headers and 32 KiB of them."""
    headers: dict[str, str] = {}
    left = _MAX_HEADERS_CHARACTERS
    for name, value in request.headers.items():
        if name in _SECRET_HEADERS or name.startswith(_SECRET_PREFIXES):
            continue
        left -= len(name) + len(value)
        if left < 0 or len(headers) >= _MAX_HEADERS:
            break
        headers[name] = value
    return replace(request, headers=headers)


def without_token(
    request: HttpRequestInfo, query: FieldValues, verification: Verification
) -> tuple[HttpRequestInfo, FieldValues]:
    """The request and its query without the token that it was verified by; signatures stay, each is good for one."""
    if verification.kind != "token":
        return request, query
    header = (verification.header or "").lower()
    kept = replace(
        request,
        headers={name: value for name, value in request.headers.items() if name != header},
        query={name: value for name, value in request.query.items() if name != verification.query},
    )
    return kept, {name: value for name, value in query.items() if name != verification.query}


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """What a request gives a workflow, and the names of what it gives besides, in the order in which they came."""

    values: dict[str, Any]
    left_out: tuple[str, ...]


async def parameters_of(request: HttpRequestInfo, query: FieldValues, metadata: FunctionMetadata) -> GivenParameters:
    """Query and body as one; the body wins.

    A JSON object or a form gives a parameter for each of its fields, a field that comes more than once a list. What the
    workflow has no parameter for is left out, unless it takes `**kwargs`.

    A parameter called `body` gets the whole body: text, JSON that is no object, and, where no field is called so and
    the other parameters are optional, an object or a form's fields, too. Other bodies are only in `context.request`.

    Args:
        request: as it came.
        query: its query's parameters.
        metadata: the workflow's.

    Raises:
        BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError: see `read_body`.
    """
    takes = _taken_by(metadata)
    body = await read_body(request.headers, request.body)
    if body.kind == "bytes" and not plan_of(metadata).takes_context:
        # By `context.request` alone it could be read.
        media = MediaType.of(request.headers).name[:100]
        raise UnsupportedMediaTypeError(f"{metadata.name} takes no {media}; send JSON, a form, multipart or text")
    values = without_blanks(query, metadata)
    for name in takes.joined & values.keys():
        values[name] = joined(values[name])
    fields = body.fields or {}
    if body.kind == "form":
        fields = without_blanks(fields, metadata)
    unknown = [name for name in values if not takes.validator.takes(name)]
    if takes.as_body(body):
        values.update((name, value) for name, value in fields.items() if name in takes.names)
        values[BODY_PARAMETER] = _whole(body, request, as_text=BODY_PARAMETER in takes.joined)
    else:
        values.update(fields)
        unknown += [name for name in fields if not takes.validator.takes(name)]
        if body.value is not None and body.fields is None:
            unknown.append(BODY_PARAMETER)
    known = {name: value for name, value in values.items() if takes.validator.takes(name)}
    return GivenParameters(known, _shown(unknown))


def _whole(body: Body, request: HttpRequestInfo, *, as_text: bool) -> Any:
    """The body as one value; JSON as it was written where text is wanted and it is none."""
    if as_text and body.kind == "json" and not isinstance(body.value, str):
        return MediaType.of(request.headers).text_of(body.content)
    return body.value


@dataclass(frozen=True, slots=True)
class _Taken:
    """What of a request a workflow takes.

    Attributes:
        validator: of its parameters.
        names: of its parameters.
        joined: those that are text, so that several values of a query's parameter are one, as the platform joins them.
        whole_fields: whether all fields of a body may be the parameter `body`.
    """

    validator: ParameterValidator
    names: frozenset[str]
    joined: frozenset[str]
    whole_fields: bool

    def as_body(self, body: Body) -> bool:
        """Whether the parameter `body` gets this body."""
        if BODY_PARAMETER not in self.names or body.value is None:
            return False
        if body.fields is None:
            return True
        is_text = BODY_PARAMETER in self.joined
        return self.whole_fields and BODY_PARAMETER not in body.fields and not (is_text and body.kind == "form")


def _taken_by(metadata: FunctionMetadata) -> _Taken:
    plan = plan_of(metadata)
    known: tuple[object, _Taken] | None = metadata.derived.get(_TAKEN)
    if known is not None and known[0] is plan:
        return known[1]
    parameters, _ = described_parameters(metadata)
    others = [parameter for parameter in parameters if parameter.name != BODY_PARAMETER]
    taken = _Taken(
        validator=plan.validator,
        names=frozenset(parameter.name for parameter in parameters),
        joined=frozenset(parameter.name for parameter in parameters if parameter.type in _TEXT_TYPES),
        whole_fields=len(others) < len(parameters) and not any(is_required(parameter) for parameter in others),
    )
    metadata.derived[_TAKEN] = (plan, taken)
    return taken


def _shown(names: Iterable[str]) -> tuple[str, ...]:
    """Names as the run's log shows them: each once, bounded."""
    different = list(dict.fromkeys(names))
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in different[:_MOST_NAMES]]
    return (*shown, f"{len(different) - _MOST_NAMES} more") if len(different) > _MOST_NAMES else tuple(shown)
