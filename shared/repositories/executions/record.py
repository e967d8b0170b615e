"""An execution as it is recorded."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.logs.masking import MASK
from shared.models.base import GLOBAL_SCOPE
from shared.models.executions import ExecutionStatus
from shared.models.results import ExecutionResult, JsonObject
from shared.repositories.executions.keys import RecordKeys

NOTHING_STORED: Mapping[str, bytes | str] = {}


def new_write_token() -> str:
    """A token that tells one write from all others."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """Everything that is kept of an execution. Values are JSON-safe; times have a time zone.

    Records don't change: `dataclasses.replace` makes the next one, and the store writes it.

    Attributes:
        execution_id: see `shared.repositories.ids`; its time is the one that lists sort by.
        scope: the organization's id, or `GLOBAL`.
        keys: of its rows, worked out once for all the records that follow each other.
        workflow_name: name of the workflow, or display name of the script; at most 80 characters.
        is_script: whether code from the request ran, and no registered function.
        form_id: the form it came through, or None.
        executed_by, executed_by_name, executed_by_email: the caller.
        is_platform_admin, is_function_key: whether the caller was an administrator, or came with a key.
        status: where it stands.
        created_at, started_at: when it was recorded, last claimed.
        result_token_digest: SHA-256 of the token that opens the result to a caller whom nobody knows.
        input_data: the parameters, as they are shown: values that the function takes as secrets are masked.
        hidden_input: the parameters as they were sent, where `input_data` is masked; else None.
        http: the HTTP request behind an endpoint, for a run from the queue.
        files: the uploaded files among the parameters; see `ExecutionRequest`.
        code: a script's source, in base64 as it came.
        rerun_of: the execution that this one does again; None for one of its own.
        end: what it came to; None until then.
        progress: what the run last reported about itself.
        attempt: 1 for the first run.
        attempts: what the attempts before this one came to.
        is_queued: whether a worker runs it from the queue, and not the process that was called.
        due_at: from when on the message of a Pending record is to be seen, or when it was last sent; None: from the
            start.
        is_unsent: whether that message is known not to have been sent.
        lease_until: until when the worker that runs it is believed to be alive.
        storage_calls: how many storage calls it has cost, up to and with its last write. A caller that knows of a call
            the store does not see (the queue message of a Pending record) starts with that number.
        write_token: of the write that stored it. A write that is repeated with the same token is done once.
        etag: of the stored row; None before the first write.
        stored: payloads as they are stored, by column: compressed, or the name of their blob. The store's own.
    """

    execution_id: str
    scope: str
    keys: RecordKeys = field(repr=False, compare=False)
    workflow_name: str
    executed_by: str
    executed_by_name: str
    executed_by_email: str
    status: ExecutionStatus
    created_at: datetime
    is_script: bool = False
    is_platform_admin: bool = False
    is_function_key: bool = False
    is_queued: bool = False
    form_id: str | None = None
    result_token_digest: str | None = None
    input_data: JsonObject | None = None
    hidden_input: JsonObject | None = None
    http: JsonObject | None = None
    files: JsonObject | None = None
    code: str | None = None
    rerun_of: str | None = None
    started_at: datetime | None = None
    end: ExecutionResult | None = None
    progress: JsonObject | None = None
    attempt: int = 1
    attempts: Sequence[JsonObject] = ()
    due_at: datetime | None = None
    is_unsent: bool = False
    lease_until: datetime | None = None
    storage_calls: int = 0
    write_token: str = field(default_factory=new_write_token)
    etag: str | None = field(default=None, compare=False)
    stored: Mapping[str, bytes | str] = field(default_factory=lambda: NOTHING_STORED, repr=False, compare=False)

    @property
    def org_id(self) -> str | None:
        """The organization, None in the global scope."""
        return None if self.scope == GLOBAL_SCOPE else self.scope

    @property
    def run_input(self) -> JsonObject:
        """The parameters as they were sent, for a run."""
        return (self.hidden_input if self.hidden_input is not None else self.input_data) or {}

    @property
    def secrets(self) -> frozenset[str]:
        """The texts of the input that are masked as a whole."""
        shown = self.input_data or {}
        hidden = self.hidden_input or {}
        return frozenset(value for name, value in hidden.items() if isinstance(value, str) and shown[name] == MASK)

    @property
    def log_extra(self) -> dict[str, str | int]:
        """The `extra` of log records that speak of this execution, so that a log can be asked by them."""
        return {
            "execution_id": self.execution_id,
            "workflow": self.workflow_name,
            "scope": self.scope,
            "attempt": self.attempt,
        }

    def ended(self, end: ExecutionResult, write_token: str) -> ExecutionRecord:
        """The record with its end.

        Args:
            end: what the run came to.
            write_token: the same for each try to write this end, so that it is written once.
        """
        return replace(
            self,
            status=end.status,
            end=end,
            progress=end.progress,
            due_at=None,
            is_unsent=False,
            lease_until=None,
            write_token=write_token,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilters:
    """Which executions to list; None means any.

    Attributes:
        workflow_name, executed_by: equal to.
        statuses: one of them; none means any.
        created_from, created_to: both ends belong to the range; with a time zone.
    """

    workflow_name: str | None = None
    statuses: Collection[ExecutionStatus] = ()
    executed_by: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
