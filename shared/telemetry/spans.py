"""What telemetry is asked for, and by whom it is given."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from shared.execution_request import ExecutionRequest
from shared.models.results import ExecutionResult

Kind = Literal["workflow", "data_provider", "script"]


class Run(Protocol):
    """What is about to run."""

    @property
    def request(self) -> ExecutionRequest:
        """For whom, and how often it was tried."""
        ...

    @property
    def name(self) -> str:
        """The function's name, or the script's display name."""
        ...

    @property
    def kind(self) -> Kind:
        """What it is run as."""
        ...


class ExecutionSpan(AbstractContextManager["ExecutionSpan", None], Protocol):
    """Lasts as long as the run; what the run logs, and spans of its own, belong to it."""

    def ended(self, result: ExecutionResult) -> None:
        """Notes what the run came to."""
        ...


class Telemetry(Protocol):
    """Where spans are made."""

    def span(self, run: Run) -> ExecutionSpan:
        """The span of a run that is about to begin."""
        ...

    def continue_trace(self, headers: Mapping[str, str]) -> None:
        """Makes the current task part of the caller's trace, unless the platform has done that."""
        ...
