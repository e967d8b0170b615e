"""What workflow authors write: `@workflow`, `@data_provider` and `@param`.

All three may stand on one function, in any order; they fill one `FunctionMetadata`. A decorated function stays as it
was and can be called like any other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, overload

from shared.errors import DefinitionError
from shared.logs.capture import is_inside_run
from shared.parameters.annotation_checks import check_annotation
from shared.parameters.declarations import (
    check,
    check_at,
    check_choice,
    check_function,
    check_name,
    check_number,
    check_retry_policy,
    check_types,
    known_arguments,
    texts_of,
)
from shared.parameters.signatures import FunctionSignature, read_signature
from shared.parameters.types import check_parameter
from shared.registry import (
    DATA_PROVIDER,
    DEFAULT_TIMEOUT_SECONDS,
    WORKFLOW,
    CachePer,
    ExecutionMode,
    FunctionMetadata,
    RetryPolicy,
    Use,
    WorkflowParameter,
    get_registry,
    place_of,
)
from shared.schedules.expressions import check_schedule
from shared.suggestions import did_you_mean
from shared.webhooks.signatures import check_deliveries

VALID_PARAM_TYPES = ("string", "int", "bool", "float", "json", "list", "email", "date", "datetime")
VALID_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_ATTRIBUTE = "__workflow_definition__"
# Tells "left out" from "set to the default": what an author wrote must not be lost to the other decorator's default.
_UNSET: Any = object()
_TEXT_OR_NONE = (str, type(None))

F = TypeVar("F", bound=Callable[..., Any])


class _Definition:
    """What the decorators on one function have said so far."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.declared: list[WorkflowParameter] = []
        self.metadata: FunctionMetadata | None = None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _Definition:
        check_function(function, place_of(function))
        definition = cast("_Definition | None", getattr(function, _ATTRIBUTE, None))
        if definition is None:
            definition = cls(function)
            setattr(function, _ATTRIBUTE, definition)
        else:
            # functools.wraps hands the attribute on: what is decorated now stands outside of what was decorated before.
            definition.function = function
        return definition

    def declare(self, use: Use, name: str, fields: dict[str, Any]) -> None:
        metadata = self.metadata
        if metadata is None:
            metadata = FunctionMetadata(name=name, function=self.function)
        elif metadata.name != name:
            raise DefinitionError(
                f"one function has two names, {metadata.name!r} and {name!r}: {place_of(self.function)}; "
                "use the same name in @workflow and @data_provider"
            )
        for field, value in fields.items():
            if value is not _UNSET:
                setattr(metadata, field, value)
        own_tags = [tag for tag in metadata.tags if tag not in (WORKFLOW, DATA_PROVIDER)]
        uses = [tag for tag in (WORKFLOW, DATA_PROVIDER) if tag == use or metadata.has_tag(tag)]
        metadata.tags = uses + own_tags
        self.metadata = metadata
        self.refresh()
        # A run that imports a file, or defines a function, adds nothing to what there is for all.
        if not is_inside_run():
            get_registry().register_function(metadata)

    def refresh(self) -> None:
        """Brings the metadata in line with the function and the parameters declared so far."""
        metadata = self.metadata
        if metadata is None:
            return
        metadata.function = self.function
        metadata.source_line = getattr(getattr(self.function, "__code__", None), "co_firstlineno", None)
        signature = read_signature(self.function)
        metadata.parameters = (
            [_joined(parameter, signature) for parameter in self.declared] if self.declared else signature.parameters
        )


def _joined(parameter: WorkflowParameter, signature: FunctionSignature) -> WorkflowParameter:
    """A declared parameter with what the signature knows of it."""
    found = signature.find(parameter.name)
    if found is not None:
        parameter.help_text = parameter.help_text or found.help_text
        parameter.annotation = found.annotation
        parameter.nullable = found.nullable
        if found.has_default and (not parameter.has_default or parameter.default_from_signature):
            parameter.has_default = parameter.default_from_signature = True
            parameter.default_value = found.default_value
    return parameter


def metadata_of(function: Callable[..., Any]) -> FunctionMetadata | None:
    """The metadata that the decorators on a function have made; None when it has none."""
    definition = cast("_Definition | None", getattr(function, _ATTRIBUTE, None))
    return definition.metadata if definition is not None else None


def resolve_parameters(metadata: FunctionMetadata) -> None:
    """Reads the signature once more and checks it against `@param`; called when the whole file has been imported.

    Only then do annotations resolve that name classes further down in the file, and only then are all decorators
    applied.

    Raises:
        DefinitionError: a declared parameter is not in the signature, or one without a default is not declared.
    """
    definition = cast("_Definition | None", getattr(metadata.function, _ATTRIBUTE, None))
    if definition is None:
        return
    definition.refresh()
    for parameter in metadata.parameters:
        check_at(metadata.place, check_annotation, parameter)
    if not definition.declared:
        return
    for parameter in definition.declared:
        # Once more: only now is the annotation known that the default and the choices have to fit.
        check_at(metadata.place, check_parameter, parameter)
    signature = read_signature(definition.function)
    declared = {parameter.name for parameter in definition.declared}
    for name in sorted(declared):
        if name == signature.context_name:
            raise DefinitionError(f"@param({name!r}) is the context, which no caller gives: {metadata.place}")
        if signature.find(name) is None and not signature.accepts_extra:
            known = [parameter.name for parameter in signature.parameters]
            hint = did_you_mean(name, known)
            raise DefinitionError(f"@param({name!r}) is not in the signature of {metadata.place}{hint}")
    for parameter in signature.parameters:
        if parameter.required and parameter.name not in declared:
            raise DefinitionError(
                f"{metadata.place} needs {parameter.name!r}, which has neither a default nor a @param; add one of them"
            )


@overload
def workflow(name: F, /) -> F: ...
@overload
def workflow(
    name: str | None = None,
    description: str = ...,
    category: str = ...,
    tags: Iterable[str] | None = None,
    execution_mode: ExecutionMode = "async",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    retry_policy: RetryPolicy | None = None,
    schedule: str | None = None,
    endpoint_enabled: bool = False,
    allowed_methods: Iterable[str] = ("POST",),
    disable_global_key: bool = False,
    public_endpoint: bool = False,
    source: str | None = None,
    verify: str | None = None,
    dedupe_header: str | None = None,
) -> Callable[[F], F]: ...
@known_arguments('@workflow(name="greet")')
def workflow(
    name: Any = None,
    description: str = _UNSET,
    category: str = _UNSET,
    tags: Iterable[str] | None = None,
    execution_mode: ExecutionMode = "async",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    retry_policy: RetryPolicy | None = None,
    schedule: str | None = None,
    endpoint_enabled: bool = False,
    allowed_methods: Iterable[str] = ("POST",),
    disable_global_key: bool = False,
    public_endpoint: bool = False,
    source: str | None = None,
    verify: str | None = None,
    dedupe_header: str | None = None,
) -> Any:
    """Makes a function a workflow: `@workflow(name="greet", …)`, or just `@workflow`.

    Args:
        name: lower-case letters, digits and `_`, beginning with a letter, at most 63 characters; unique in the
            workspace. Left out, the function's own, and the description is the first line of its docstring.
        description: a sentence for people; default "".
        category: where lists show it; default "General".
        tags: the author's own tags.
        execution_mode: `sync` answers the caller with the result, `async` at once with 202 and an id.
        timeout_seconds: 1 up to host.json's functionTimeout less 30 s.
        retry_policy: for async runs; see `RetryPolicy`; left out, one attempt.
        schedule: an NCRONTAB expression.
        endpoint_enabled: whether /api/endpoints/{name} calls it.
        allowed_methods: which of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS that endpoint takes.
        disable_global_key: whether the endpoint takes only keys made for this workflow.
        public_endpoint: whether the endpoint takes calls without any key.
        source: where the function comes from; left out, by where its file lies.
        verify: how a call of the endpoint proves who sent it, such as `github:SECRET_NAME`; see
            `shared.webhooks.signatures`. Checked before anything is recorded or answered.
        dedupe_header: the header that holds the id of a delivery: one that comes again gets the first run's answer.

    Raises:
        DefinitionError: a value can't be; the message says which, and where.
    """

    def decorate(function: F) -> F:
        place = place_of(function)
        own_name, own_description = _told(name, description, function)
        own_tags = texts_of("tags", tags, place)
        check_name("workflow", own_name, place)
        _check_texts({"description": own_description, "category": category}, place)
        check_types(_TEXT_OR_NONE, "a text", {"source": source}, place)
        check_choice("execution_mode", execution_mode, ("sync", "async"), place)
        check_number("timeout_seconds", timeout_seconds, 1, None, place)
        methods = [allowed_methods] if isinstance(allowed_methods, str) else allowed_methods
        methods = [method.upper() for method in texts_of("allowed_methods", methods, place)]
        check(bool(methods), f"allowed_methods must be some of {', '.join(VALID_METHODS)}", place)
        for method in methods:
            check_choice("allowed_methods", method, VALID_METHODS, place)
        flags = {
            "endpoint_enabled": endpoint_enabled,
            "disable_global_key": disable_global_key,
            "public_endpoint": public_endpoint,
        }
        check_types(bool, "True or False", flags, place)
        check_retry_policy(retry_policy, place)
        check_at(place, check_schedule, schedule)
        check_at(place, check_deliveries, verify, dedupe_header, is_public=public_endpoint)
        fields = {
            "description": own_description,
            "category": category,
            "tags": own_tags,
            "execution_mode": execution_mode,
            "timeout_seconds": timeout_seconds,
            "retry_policy": retry_policy,
            "schedule": schedule,
            "allowed_methods": methods,
            **flags,
            "source": source,
            "verify": verify,
            "dedupe_header": dedupe_header,
        }
        definition = _Definition.of(function)
        if definition.metadata is not None:
            fields["tags"] = [tag for tag in definition.metadata.tags if tag == DATA_PROVIDER] + own_tags
        definition.declare(WORKFLOW, own_name, fields)
        return function

    return decorate(name) if callable(name) else decorate


@overload
def data_provider(name: F, /) -> F: ...
@overload
def data_provider(
    name: str | None = None,
    description: str = ...,
    category: str = ...,
    cache_ttl_seconds: float = 300,
    cache_per: CachePer = "organization",
) -> Callable[[F], F]: ...
@known_arguments('@data_provider(name="countries")')
def data_provider(
    name: Any = None,
    description: str = _UNSET,
    category: str = _UNSET,
    cache_ttl_seconds: float = 300,
    cache_per: CachePer = "organization",
) -> Any:
    """Makes a function a data provider: it returns the options of a dropdown.

    Args:
        name: as in `workflow`.
        description: a sentence for people; default "".
        category: where lists show it; default "General".
        cache_ttl_seconds: how long an answer may be used again, 0 (never) to 31,536,000 (a year).
        cache_per: whether one answer serves the whole `organization` or one `user`.

    Raises:
        DefinitionError: a value can't be; the message says which, and where.
    """

    def decorate(function: F) -> F:
        place = place_of(function)
        own_name, own_description = _told(name, description, function)
        check_name("data provider", own_name, place)
        _check_texts({"description": own_description, "category": category}, place)
        check_number("cache_ttl_seconds", cache_ttl_seconds, 0, 31_536_000, place)
        check_choice("cache_per", cache_per, ("organization", "user"), place)
        fields = {
            "description": own_description,
            "category": category,
            "cache_ttl_seconds": cache_ttl_seconds,
            "cache_per": cache_per,
        }
        _Definition.of(function).declare(DATA_PROVIDER, own_name, fields)
        return function

    return decorate(name) if callable(name) else decorate


@known_arguments('@param("name", type="string")')
def param(
    name: str,
    type: str,  # noqa: A002 - the contract's name
    label: str | None = None,
    required: bool = False,
    validation: dict[str, Any] | None = None,
    data_provider: str | None = None,
    default_value: Any = None,
    help_text: str | None = None,
) -> Callable[[F], F]:
    """Declares a parameter of the function.

    Args:
        name: the name in the function's signature.
        type: one of `VALID_PARAM_TYPES`.
        label: what a form shows; left out, the name in words (`first_name` as "First Name").
        required: whether a call without it is refused, unless there is a default_value.
        validation: rules: min, max, min_length, max_length, pattern, enum.
        data_provider: name of the data provider that fills the field's options.
        default_value: stands in for a missing value; left out, the signature's own default.
        help_text: a sentence for people.

    Raises:
        DefinitionError: a value can't be; the message says which, and where.
    """

    def decorate(function: F) -> F:
        place = place_of(function)
        check_types(str, "a text", {"@param: name": name}, place)
        check(name.isidentifier(), f"the parameter name {name!r} is no Python name", place)
        check_choice(f"{name}: type", type, VALID_PARAM_TYPES, place)
        texts = {"label": label, "data_provider": data_provider, "help_text": help_text}
        check_types(_TEXT_OR_NONE, "a text", {f"{name}: {field}": value for field, value in texts.items()}, place)
        check_types(bool, "True or False", {f"{name}: required": required}, place)
        definition = _Definition.of(function)
        known = any(parameter.name == name for parameter in definition.declared)
        check(not known, f"the parameter {name!r} is declared twice", place)
        parameter = WorkflowParameter(
            name=name,
            type=type,
            label=label,
            required=required,
            validation=validation,
            data_provider=data_provider,
            default_value=default_value,
            help_text=help_text,
            has_default=default_value is not None,
        )
        check_at(place, check_parameter, parameter)
        # Decorators are applied from the bottom up; the order that the reader sees is the one to keep.
        definition.declared.insert(0, parameter)
        definition.refresh()
        return function

    return decorate


def _told(name: object, description: str, function: Callable[..., Any]) -> tuple[Any, str]:
    """Name and description; where no name was given, what the function itself tells of both."""
    check_function(function, place_of(function))
    if name is not None and not callable(name):
        return name, description
    told = (inspect.getdoc(function) or "").partition("\n")[0].strip()
    return function.__name__, told if description is _UNSET and told else description


def _check_texts(values: dict[str, Any], place: str) -> None:
    check_types(str, "a text", {field: value for field, value in values.items() if value is not _UNSET}, place)
