"""What telemetry is asked for, and by whom it is given."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

Kind = Literal["workflow", "data_provider", "script"]


class ExecutionSpan(AbstractContextManager["ExecutionSpan", None], Protocol):
    """Lasts as long as the run; what the run logs, and spans of its own, belong to it."""

    def end(self, *, status: str, error_type: str | None) -> None:
        """Says what the run came to.

        Args:
            status: an `ExecutionStatus`.
            error_type: the class or code of what went wrong.
        """
        ...


class Telemetry(Protocol):
    """Where spans are made."""

    def span(self, name: str, attributes: Mapping[str, str | int]) -> ExecutionSpan:
        """The span of a run that is about to begin."""
        ...

    def continue_trace(self, headers: Mapping[str, str]) -> None:
        """Makes the current task part of the caller's trace, unless the platform has done that."""
        ...
