"""What to run, and what a run came to: the two ends of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.context import (
    Caller,
    EndpointResponse,
    ExecutionContext,
    HttpRequestInfo,
    Organization,
    SecretResolver,
)
from shared.logs.buffer import LogBuffer
from shared.logs.masking import NOTHING_SECRET, SecretMask
from shared.models.executions import ExecutionStatus
from shared.registry import Use
from shared.runtime.calls import StopSignal


@dataclass(slots=True, kw_only=True)
class ExecutionRequest:
    """What to run, for whom, and how to watch and stop it.

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
        form_id: the form that the input came from.
        use: which tag the function must have; left out, its only one, and workflow when it has both.
        attempt: 1 at the first try.
        trigger: what made it run: a call, or a message of the queue.
        is_function_key: whether the caller came with a key.
        http: the request behind an endpoint.
        result_token_digest: SHA-256 of the token that opens the result to a caller whom nobody knows.
        time_limit_seconds: bounds the run besides the function's own timeout_seconds.
        stop: asks the run to end.
        logs: where the run's log is collected, for one who wants to read it meanwhile.
        resolve_secret: resolves secrets; called on the loop that calls `execute`.
        on_context: gets the run's context before the run begins, for one who wants to read progress meanwhile.
        mask: takes secrets out of whatever is kept of the run.
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
    is_platform_admin: bool = False
    form_id: str | None = None
    use: Use | None = None
    attempt: int = 1
    trigger: Literal["http", "queue"] = "http"
    is_function_key: bool = False
    http: HttpRequestInfo | None = None
    result_token_digest: str | None = None
    time_limit_seconds: float | None = None
    stop: StopSignal | None = None
    logs: LogBuffer | None = None
    resolve_secret: SecretResolver | None = None
    on_context: Callable[[ExecutionContext], None] | None = None
    mask: SecretMask = NOTHING_SECRET


@dataclass(slots=True, kw_only=True)
class ExecutionResult:
    """What a run came to; everything in it is JSON but `response`.

    `response` is the HTTP answer of a workflow that returned an `EndpointResponse`. `cached`, `cache_expires_at` and
    `stale` speak of a data provider's answer; its `result`, a list of options, is shared with others and not to be
    changed. `caller_was_read` says whether the run looked at who asked for it.
    """

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    duration_ms: float = 0.0
    logs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    variables: dict[str, Any] | None = None
    state_snapshots: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    integration_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    progress: dict[str, Any] | None = None
    error_message: str | None = None
    error_type: str | None = None
    error_details: dict[str, Any] | None = None
    cached: bool = False
    cache_expires_at: str | None = None
    stale: bool = False
    caller_was_read: bool = False
    response: EndpointResponse | None = None
