"""What a run came to: one shape, which the engine makes, the record holds, and rows and answers read."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any, Literal

from shared.models.executions import ExecutionStatus, ResultType

JsonObject = Mapping[str, Any]
Kind = Literal["workflow", "data_provider", "script"]


@dataclass(frozen=True, slots=True)
class EndpointResponse:
    """Returned by a workflow behind an endpoint, it is the HTTP answer.

    Attributes:
        body: text or bytes as they are; anything else as JSON.
        status_code: 200 to 599.
        headers: the answer's headers.
    """

    body: Any = None
    status_code: int = 200
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The end of a run. Everything in it is JSON but `response`.

    Attributes:
        execution_id: the run's id.
        status: one of the five ends.
        result, result_type: what it returned, and how that is best shown.
        duration_ms: milliseconds that user code ran, rounded; None for a run that never began.
        logs: the log entries.
        variables: a script's variables at its end.
        state_snapshots, integration_calls: what the context recorded.
        error_message, error_type, error_details: why it failed.
        error_status_code: the HTTP status that goes with a `UserError`; None for every other failure.
        cached, cache_expires_at, stale: of a data provider's answer; its `result`, a list of options, is shared with
            others then and not to be changed.
        progress: what the run last reported about itself.
        completed_at: when it ended, with a time zone.
        response: the HTTP answer of a workflow that returned an `EndpointResponse`, as it can be sent: its headers are
            text, its body is None, text, bytes or JSON.
        caller_was_read: whether the run looked at who asked for it.
    """

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    duration_ms: int | None = 0
    logs: Sequence[JsonObject] = ()
    variables: JsonObject | None = None
    state_snapshots: Sequence[JsonObject] = ()
    integration_calls: Sequence[JsonObject] = ()
    error_message: str | None = None
    error_type: str | None = None
    cached: bool = False
    cache_expires_at: str | None = None
    _: KW_ONLY
    error_details: JsonObject | None = None
    error_status_code: int | None = None
    result_type: ResultType | None = None
    progress: JsonObject | None = None
    completed_at: datetime | None = None
    stale: bool = False
    response: EndpointResponse | None = None
    caller_was_read: bool = False

    @property
    def response_form(self) -> JsonObject | None:
        """What is to be recorded of `response` besides `result`, so that `response_of` makes it again.

        None without one, and for one whose body is too large to be kept whole.
        """
        if self.response is None:
            return None
        body, kept = self.response.body, self.result["body"]
        if isinstance(body, bytes):
            is_whole = len(kept) == -(-len(body) // 3) * 4
        else:
            is_whole = not isinstance(body, str) or body == kept
        if not is_whole:
            return None
        return {"headers": dict(self.response.headers or {}), "isBytes": isinstance(body, bytes)}

    @property
    def is_user_error(self) -> bool:
        """Whether it failed by a `UserError`, whose message is meant for the caller, whoever that is."""
        return self.error_status_code is not None


def response_of(form: JsonObject | None, result: Any) -> EndpointResponse | None:
    """The HTTP answer again, from what was recorded of it: its `response_form`, and the result."""
    if form is None:
        return None
    body = base64.b64decode(result["body"]) if form["isBytes"] else result["body"]
    return EndpointResponse(body, result["statusCode"], form["headers"])
