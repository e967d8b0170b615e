"""What to run, and how it is watched and stopped meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from shared.context import (
    Caller,
    ExecutionContext,
    FileReader,
    HttpRequestInfo,
    Organization,
    RunConfiguration,
    scope_of,
)
from shared.logs.buffer import LogBuffer
from shared.registry import Use
from shared.runtime.calls import StopSignal


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """What to run, for whom. It is not changed once it is made.

    Attributes:
        execution_id: the run's id.
        caller: who asks.
        organization: whom the run belongs to, None for the scope GLOBAL.
        config: configuration values, the organization's already laid over the global ones; None for those that are
            stored for the scope.
        code: base64 of a script's source; wins over `name`, which then is the script's display name.
        name: the function's name.
        parameters: the input.
        transient: whether the run leaves nothing behind, neither a record nor an answer that may be given again.
        no_cache: whether a data provider runs even when an answer is at hand.
        is_platform_admin: whether the caller is an administrator.
        is_function_key: whether the caller came with a key.
        form_id: the form that the input came from.
        use: which tag the function must have; left out, its only one, and workflow when it has both.
        attempt: 1 at the first try.
        trigger: what made it run: a call, or a message of the queue.
        http: the request behind an endpoint.
        rerun_of: the execution that is done again; None for one of its own.
        secrets: texts among the parameters that are not to be shown: what stands in a form's fields for passwords.
        files: the uploaded files among the parameters, by upload id: `blobName` and `size`.
        result_token_digest: SHA-256 of the token that opens the result to a caller whom nobody knows.
    """

    execution_id: str
    caller: Caller
    organization: Organization | None = None
    config: Mapping[str, Any] | None = None
    code: str | None = None
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    transient: bool = False
    no_cache: bool = False
    _: KW_ONLY
    is_platform_admin: bool = False
    is_function_key: bool = False
    form_id: str | None = None
    use: Use | None = None
    attempt: int = 1
    trigger: Literal["http", "queue"] = "http"
    http: HttpRequestInfo | None = None
    rerun_of: str | None = None
    secrets: frozenset[str] = frozenset()
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    result_token_digest: str | None = None

    @property
    def scope(self) -> str:
        """The organization's id, or `GLOBAL`."""
        return scope_of(self.organization)


def note_left_out(request: ExecutionRequest, logs: LogBuffer) -> None:
    """Names in the log, once, what an endpoint's caller sent and the workflow has no parameter for."""
    if request.http is not None and request.http.left_out and request.attempt == 1:
        logs.add("debug", f"Left out, for want of a parameter: {', '.join(request.http.left_out)}", "engine")


@dataclass(slots=True, kw_only=True)
class RunControl:
    """What stops and watches one run.

    Attributes:
        stop: asks the run to end.
        logs: where its log is collected, for one who wants to read it meanwhile.
        limit_seconds: bounds the run besides the function's own timeout_seconds; None for no other bound.
        configuration: what the run finds configured, in the place of what is stored for its scope; None for that.
        read_file: gives the files that the run was given, in the place of storage; None for that.
        on_error: gets what user code raised, with its traceback, in the thread that it was raised in.
        context: of the run, once it has begun; progress can be read from it meanwhile.
    """

    stop: StopSignal = field(default_factory=StopSignal)
    logs: LogBuffer = field(default_factory=LogBuffer)
    limit_seconds: float | None = None
    configuration: RunConfiguration | None = None
    read_file: FileReader | None = None
    on_error: Callable[[BaseException], None] | None = None
    context: ExecutionContext | None = None
