"""The users' functions: one `FunctionMetadata` for each, all of them in one `FunctionRegistry`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypedDict

from shared.errors import DuplicateFunctionError
from shared.suggestions import did_you_mean

ExecutionMode = Literal["sync", "async"]
CachePer = Literal["organization", "user"]
Use = Literal["workflow", "data_provider"]

WORKFLOW: Use = "workflow"
DATA_PROVIDER: Use = "data_provider"
DEFAULT_TIMEOUT_SECONDS = 300


class RetryPolicy(TypedDict, total=False):
    """How often, and how soon, a failed run is tried again.

    max_attempts counts the first one too (1 to 100); the wait doubles from backoff_seconds (0 to 86,400) up to
    max_backoff_seconds (0 to 604,800, the longest that a queue message can be held back).
    """

    max_attempts: int
    backoff_seconds: float
    max_backoff_seconds: float


@dataclass(slots=True)
class WorkflowParameter:
    """One parameter of a function.

    Attributes:
        name: the name in the function's signature.
        type: one of `shared.decorators.VALID_PARAM_TYPES`.
        label: what a form shows; left out, the name in words.
        required: whether a call without it is refused.
        validation: rules: min, max, min_length, max_length, pattern, enum.
        data_provider: name of the data provider that fills the field's options.
        default_value: what stands in for a missing value; None when there is no default, or none that JSON can show.
        help_text: a sentence for people.
        annotation: the annotation in the signature, None without one.
        from_signature: whether the parameter was read from the signature and not declared with `@param`.
        nullable: whether the annotation admits None.
        has_default: whether `@param` or the signature has a default.
        default_from_signature: whether it is the signature's, which Python fills in by itself.
    """

    name: str
    type: str
    label: str | None = None
    required: bool = False
    validation: dict[str, Any] | None = None
    data_provider: str | None = None
    default_value: Any = None
    help_text: str | None = None
    annotation: Any = field(default=None, repr=False)
    from_signature: bool = False
    nullable: bool = False
    has_default: bool = False
    default_from_signature: bool = False

    def __post_init__(self) -> None:
        if self.label is None:
            self.label = in_words(self.name)


def in_words(name: str) -> str:
    """A Python name as people write it: `first_name` as "First Name"."""
    return " ".join(word[:1].upper() + word[1:] for word in name.split("_") if word) or name


@dataclass(slots=True)
class FunctionMetadata:
    """One registered function; the fields are those of the decorators (docs/decorators.md).

    `tags` holds `workflow`, `data_provider` or both, then the author's own tags. `source` is workspace, home or
    platform, by where the file lies; `source_file` is the path below that folder, and `source_line` the line of the
    function in it. `code_version` stands for all code of the workspace, the same in every process that has the same
    code; None for a function from elsewhere. `function` is None for one that is only known to be there. `derived` holds
    what other modules have worked out from the rest, by their own names for it; it does not count where two are
    compared.
    """

    name: str
    description: str = ""
    category: str = "General"
    tags: list[str] = field(default_factory=list[str])
    execution_mode: ExecutionMode = "async"
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    function: Callable[..., Any] | None = field(default=None, repr=False)
    parameters: list[WorkflowParameter] = field(default_factory=list[WorkflowParameter], repr=False)
    retry_policy: RetryPolicy | None = None
    schedule: str | None = None
    endpoint_enabled: bool = False
    allowed_methods: list[str] = field(default_factory=lambda: ["POST"])
    disable_global_key: bool = False
    public_endpoint: bool = False
    cache_ttl_seconds: float = 300
    cache_per: CachePer = "organization"
    source: str | None = None
    source_file: str | None = None
    source_line: int | None = None
    code_version: str | None = None
    verify: str | None = None
    dedupe_header: str | None = None
    derived: dict[str, Any] = field(default_factory=dict[str, Any], init=False, repr=False, compare=False)

    def has_tag(self, tag: str) -> bool:
        return tag in self.tags

    @property
    def place(self) -> str:
        """Module, name and line of the function, for messages to its author."""
        return place_of(self.function) if self.function is not None else self.name

    def merge(self, other: FunctionMetadata) -> None:
        """Takes over what another metadata of the same function says: its tags, and every field that differs from the
        class's default and is not set here.
        """
        if self.function is None:
            self.function = other.function
        self.tags = list(dict.fromkeys((*self.tags, *other.tags)))
        for each in fields(self):
            if each.init and each.name not in ("name", "tags", "function"):
                default = each.default if each.default_factory is MISSING else each.default_factory()
                if getattr(self, each.name) == default:
                    setattr(self, each.name, getattr(other, each.name))
        self.derived.clear()


def place_of(function: Callable[..., Any]) -> str:
    """Where a function stands: its module, its name and its line, without any path of the machine."""
    code = getattr(function, "__code__", None)
    line = f", line {code.co_firstlineno}" if code is not None else ""
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', None) or 'builtins'}.{name}{line}"


@dataclass(frozen=True, slots=True)
class LoadError:
    """A file that could not be loaded, or a function in it that can't be: where, and why.

    `file` is the path below its workspace folder; `line` is None when there is none to name.
    """

    file: str
    line: int | None
    reason: str


def two_of_one_name(one: FunctionMetadata, other: FunctionMetadata) -> str:
    """What is said of two functions that have one name, for their author."""
    return f"two functions are named {one.name!r}: {one.place} and {other.place}; rename one of them"


class FunctionRegistry:
    """All functions of the workspace by name. Reading it takes no lock; registering does.

    Attributes:
        load_errors: of the files whose functions are missing here, or are those of an older version.
    """

    def __init__(self) -> None:
        self.load_errors: list[LoadError] = []
        self._functions: dict[str, FunctionMetadata] = {}
        self._lock = threading.Lock()

    def register_function(self, metadata: FunctionMetadata) -> None:
        """Adds a function. A second metadata of the same function, or one of which either has none, is merged into the
        first: tags joined, and of each field the first that was set.

        Raises:
            DuplicateFunctionError: another function has this name.
        """
        with self._lock:
            known = self._functions.get(metadata.name)
            if known is metadata:
                return
            if known is not None and (
                known.function is metadata.function or None in (known.function, metadata.function)
            ):
                known.merge(metadata)
                return
            if known is not None:
                raise DuplicateFunctionError(two_of_one_name(known, metadata))
            self._functions[metadata.name] = metadata

    def get_function(self, name: str) -> FunctionMetadata | None:
        """The function of this name, whatever its tags; None when there is none."""
        return self._functions.get(name)

    def why_missing(self, name: str, use: Use | None) -> str:
        """What is said of a function that is not there, or has not the tag asked for."""
        kind = {DATA_PROVIDER: "data provider", WORKFLOW: "workflow", None: "function"}[use]
        known = [each.name for each in self._functions.values() if use is None or each.has_tag(use)]
        message = f"There is no {kind} named {name!r}{did_you_mean(name, known)}"
        if not self.load_errors:
            return message
        return f"{message}{'' if message.endswith('?') else '.'} A file of the workspace could not be loaded"

    def get_workflow(self, name: str) -> FunctionMetadata | None:
        return self._tagged(name, WORKFLOW)

    def get_data_provider(self, name: str) -> FunctionMetadata | None:
        return self._tagged(name, DATA_PROVIDER)

    def get_all_functions(self) -> list[FunctionMetadata]:
        """All functions, by name."""
        return sorted(self._functions.values(), key=lambda metadata: metadata.name)

    def get_all_workflows(self) -> list[FunctionMetadata]:
        return [metadata for metadata in self.get_all_functions() if metadata.has_tag(WORKFLOW)]

    def get_all_data_providers(self) -> list[FunctionMetadata]:
        return [metadata for metadata in self.get_all_functions() if metadata.has_tag(DATA_PROVIDER)]

    def has_workflow(self, name: str) -> bool:
        return self.get_workflow(name) is not None

    def has_data_provider(self, name: str) -> bool:
        return self.get_data_provider(name) is not None

    def get_workflow_count(self) -> int:
        return len(self.get_all_workflows())

    def get_data_provider_count(self) -> int:
        return len(self.get_all_data_providers())

    def did_you_mean(self, name: str, use: Use | None = None) -> str:
        """What is put behind a sentence about an unknown function: the nearest that there is, of those with the tag."""
        known = [found for found, metadata in self._functions.items() if use is None or metadata.has_tag(use)]
        return did_you_mean(name, known)

    def unknown_providers(self) -> Iterator[tuple[FunctionMetadata, str]]:
        """The functions of which a parameter names a data provider that is not there, each with a sentence about it."""
        for metadata in self.get_all_functions():
            for parameter in metadata.parameters:
                name = parameter.data_provider
                if name is not None and not self.has_data_provider(name):
                    problem = f"there is no data provider {name!r}, which {parameter.name!r} of {metadata.name} names"
                    yield metadata, problem + self.did_you_mean(name, DATA_PROVIDER)

    def clear_all(self) -> None:
        with self._lock:
            self._functions = {}
            self.load_errors = []

    def replace_all(self, other: FunctionRegistry) -> None:
        """Takes over the functions of another registry in one step: a reader sees the old ones or the new ones."""
        with self._lock:
            self._functions, self.load_errors = dict(other._functions), other.load_errors

    def _tagged(self, name: str, tag: Use) -> FunctionMetadata | None:
        metadata = self._functions.get(name)
        return metadata if metadata is not None and metadata.has_tag(tag) else None


_registry = FunctionRegistry()
_staging: ContextVar[FunctionRegistry | None] = ContextVar("staging_registry", default=None)


def get_registry() -> FunctionRegistry:
    """The registry of this process; while a workspace is being loaded, the one that is being filled."""
    return _staging.get() or _registry


@contextmanager
def staging(registry: FunctionRegistry) -> Generator[FunctionRegistry]:
    """Inside the block, decorators register with `registry` and not with the one in use."""
    token = _staging.set(registry)
    try:
        yield registry
    finally:
        _staging.reset(token)
