"""Executions as the API shows them, and the states they go through."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, computed_field
from pydantic_core import PydanticCustomError

from shared.models.base import (
    ApiModel,
    ApiQuery,
    Limit,
    ListQuery,
    RangeEnd,
    RangeStart,
    UtcDatetime,
    example,
)

ResultType = Literal["json", "html", "text"]
# Rows of older records hold fractions.
Milliseconds = Annotated[int, BeforeValidator(lambda given: round(given) if isinstance(given, float) else given)]


class ExecutionStatus(StrEnum):
    """Where an execution stands. The five ends never change."""

    PENDING = "Pending"  # recorded, and waiting for a worker
    RUNNING = "Running"  # a worker runs it
    CANCELLING = "Cancelling"  # somebody asked for its end; the worker has not answered yet
    SUCCESS = "Success"  # end: the function returned
    COMPLETED_WITH_ERRORS = "CompletedWithErrors"  # end: the function returned `success: False`
    FAILED = "Failed"  # end: the function raised, or its worker was lost
    TIMEOUT = "Timeout"  # end: the function was stopped at its time limit
    CANCELLED = "Cancelled"  # end: the function was stopped because somebody asked for it

    @property
    def is_end(self) -> bool:
        """Whether this state is final."""
        return not _NEXT[self]

    def may_become(self, following: ExecutionStatus) -> bool:
        """Whether an execution in this state may go over to `following`."""
        return following in _NEXT[self]


_ENDS_OF_A_RUN = frozenset(
    {
        ExecutionStatus.SUCCESS,
        ExecutionStatus.COMPLETED_WITH_ERRORS,
        ExecutionStatus.FAILED,
        ExecutionStatus.TIMEOUT,
    }
)
_NEXT: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    ExecutionStatus.PENDING: frozenset({ExecutionStatus.RUNNING, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED}),
    # Back to Pending is a retry.
    ExecutionStatus.RUNNING: _ENDS_OF_A_RUN | {ExecutionStatus.CANCELLING, ExecutionStatus.PENDING},
    ExecutionStatus.CANCELLING: _ENDS_OF_A_RUN | {ExecutionStatus.CANCELLED},
    ExecutionStatus.SUCCESS: frozenset(),
    ExecutionStatus.COMPLETED_WITH_ERRORS: frozenset(),
    ExecutionStatus.FAILED: frozenset(),
    ExecutionStatus.TIMEOUT: frozenset(),
    ExecutionStatus.CANCELLED: frozenset(),
}


class ExecutionResponse(ApiModel):
    """What a run came to. `logs` and `variables` are for administrators and null for others."""

    model_config = example(
        {
            "executionId": "019aa0c5-0d2e-7c11-9d3a-2f6e8a4b1c07",
            "status": "Success",
            "result": {"greeting": "Hello, Ada!"},
            "error": None,
            "errorType": None,
            "details": None,
            "durationMs": 2,
            "startedAt": "2026-03-02T09:30:00.120000+00:00",
            "completedAt": "2026-03-02T09:30:00.121900+00:00",
            "logs": None,
            "variables": None,
            "isTransient": False,
        }
    )

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    details: dict[str, Any] | None = None
    duration_ms: Milliseconds | None = None
    started_at: UtcDatetime | None = None
    completed_at: UtcDatetime | None = None
    logs: list[dict[str, Any]] | None = None
    variables: dict[str, Any] | None = None
    is_transient: bool = False


class ExecutionLinks(ApiModel):
    """Where to look next; only what the caller may open."""

    self_: str = Field(alias="self")
    logs: str | None = None
    cancel: str | None = None


class ExecutionAccepted(ApiModel):
    """The answer to a call whose run goes on in the background.

    `resultToken` opens the result, in the header X-Result-Token, to a caller whom nobody knows; others have none.
    """

    model_config = example(
        {
            "executionId": "019aa0c5-0d2e-7c11-9d3a-2f6e8a4b1c07",
            "status": "Pending",
            "message": "import_orders was enqueued",
            "links": {
                "self": "/api/executions/019aa0c5-0d2e-7c11-9d3a-2f6e8a4b1c07",
                "logs": "/api/executions/019aa0c5-0d2e-7c11-9d3a-2f6e8a4b1c07/logs",
                "cancel": "/api/executions/019aa0c5-0d2e-7c11-9d3a-2f6e8a4b1c07/cancel",
            },
            "resultToken": None,
        }
    )

    execution_id: str
    status: ExecutionStatus = ExecutionStatus.PENDING
    message: str
    links: ExecutionLinks
    result_token: str | None = None


class ExecutionSummary(ApiModel):
    """An execution in a list."""

    execution_id: str
    workflow_name: str
    org_id: str | None
    form_id: str | None
    executed_by: str
    executed_by_name: str
    status: ExecutionStatus
    error: str | None = None
    error_type: str | None = None
    result_type: ResultType | None = None
    duration_ms: Milliseconds | None = None
    started_at: UtcDatetime | None = None
    completed_at: UtcDatetime | None = None
    attempt: int = 1

    @computed_field
    @property
    def error_message(self) -> str | None:
        """The text of `error`, under the name that older clients know."""
        return self.error


class ExecutionDetail(ExecutionResponse):
    """An execution, whole."""

    # Not the example of what it is built on.
    model_config = ConfigDict(json_schema_extra=None)

    workflow_name: str
    org_id: str | None
    form_id: str | None
    executed_by: str
    executed_by_name: str
    input_data: dict[str, Any] | None = None
    rerun_of: str | None = None
    result_type: ResultType | None = None
    attempt: int = 1
    attempts: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    progress: dict[str, Any] | None = None
    storage_calls: int | None = None

    @computed_field
    @property
    def error_message(self) -> str | None:
        """The text of `error`, under the name that older clients know."""
        return self.error


class ExecutionList(ApiModel):
    """A page of executions, newest first."""

    executions: list[ExecutionSummary]
    continuation_token: str | None = None


class ExecutionResultView(ApiModel):
    """The result of an execution alone."""

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    result_type: ResultType | None = None


class ExecutionLogsView(ApiModel):
    """Lines of an execution's log. `cursor` is the `after` of the next call."""

    execution_id: str
    status: ExecutionStatus
    logs: list[dict[str, Any]]
    cursor: int


class ExecutionVariablesView(ApiModel):
    """What the script's variables were at its end."""

    execution_id: str
    variables: dict[str, Any]


# Neither control characters nor what breaks lines or turns their direction around.
PRINTABLE = r"^[^\u0000-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]+$"


class ExecuteRequest(ApiModel):
    """What to run: `code` (base64 of UTF-8 Python) wins over `workflowName`."""

    model_config = example({"workflowName": "hello", "inputData": {"name": "Ada"}})

    workflow_name: str | None = Field(default=None, max_length=63)
    input_data: dict[str, Any] | None = None
    code: str | None = None
    script_name: str | None = Field(default=None, max_length=80, pattern=PRINTABLE)
    form_id: str | None = Field(default=None, max_length=64)
    transient: bool = False


_BY_NAME = {status.lower(): status for status in ExecutionStatus}
_LONGEST_SHOWN = 40


def _statuses(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    names = [name for part in given.split(",") if (name := part.strip())] or [given]
    unknown = next((name for name in names if name.lower() not in _BY_NAME), None)
    if unknown is not None:
        context = {"given": repr(unknown[:_LONGEST_SHOWN]), "known": ", ".join(ExecutionStatus)}
        raise PydanticCustomError("unknown_status", "There is no status {given}; there are {known}", context)
    return tuple(dict.fromkeys(_BY_NAME[name.lower()] for name in names))


Statuses = Annotated[
    tuple[ExecutionStatus, ...],
    BeforeValidator(_statuses),
    Field(description="One or several, with commas between them, in any case."),
]


class ExecutionListQuery(ListQuery):
    """Which executions to list."""

    workflow_name: str | None = Field(default=None, max_length=80)
    status: Statuses = ()
    start_date: RangeStart | None = None
    end_date: RangeEnd | None = None
    limit: Limit = 25
    continuation_token: str | None = Field(default=None, max_length=1000)


class ExecutionLogsQuery(ApiQuery):
    """Which lines of a log: those numbered above `after`, for which a call waits `wait` seconds at most."""

    after: int = Field(default=0, ge=0)
    wait: float = Field(default=0, ge=0, le=30)
