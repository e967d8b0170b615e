"""The answer of every route that runs something."""

from __future__ import annotations

from functions.http.adapter import Reply
from functions.http.routes import Answer
from shared.handlers.submission import Executed
from shared.models.executions import ExecutionAccepted, ExecutionResponse

_RECORDED = {"Execution-Recorded": "`false` when storage went away during the run, so that its record comes later"}
EXECUTED_ANSWERS: dict[int, object] = {
    200: Answer(ExecutionResponse, _RECORDED),
    202: Answer(ExecutionAccepted, {**_RECORDED, "Location": "Where to ask for the execution"}),
}


def headers_of(executed: Executed) -> dict[str, str]:
    """What the answer's headers say of it, whatever the run came to."""
    headers = {} if executed.recorded else {"Execution-Recorded": "false"}
    if executed.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers


def executed_reply(executed: Executed) -> Reply:
    """200 with what the run came to, or 202 with where to look for it."""
    headers = headers_of(executed)
    if isinstance(executed.answer, ExecutionAccepted):
        return Reply(executed.answer, 202, {**headers, "Location": executed.answer.links.self_})
    return Reply(executed.answer, 200, headers)
