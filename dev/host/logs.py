"""Log lines of the host and of the app: one format, and the levels of host.json by category."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# https://learn.microsoft.com/azure/azure-functions/configure-monitoring#configure-log-levels
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}

# The fields of the record by which the app logs the end of an execution.
_ENDED = {"workflow", "status", "duration_ms", "attempt", "execution_id", "error_type", "error_text"}
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Invocation:
    invocation_id: str
    function: str


current_invocation: ContextVar[Invocation | None] = ContextVar("current_invocation", default=None)


class CategoryFilter(logging.Filter):
    """Lets through what host.json's logLevel shows: the longest category that the record's begins with decides.

    Records made while a function runs belong to the category `Function.{name}.User`, others to one named as the logger.
    """

    def __init__(self, levels: Mapping[str, str]) -> None:
        super().__init__()
        known = {name: _LEVELS.get(level.lower(), logging.INFO) for name, level in levels.items()}
        self._default = known.pop("default", logging.INFO)
        self._levels = sorted(known.items(), key=lambda item: len(item[0]), reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        invocation = current_invocation.get()
        category = f"Function.{invocation.function}.User" if invocation else record.name
        # The host's own lines are few, and say what a developer needs to see.
        if record.name.startswith("dev.host"):
            return record.levelno >= logging.INFO
        for prefix, level in self._levels:
            if category == prefix or category.startswith(f"{prefix}."):
                return record.levelno >= level
        return record.levelno >= self._default


class LineFormatter(logging.Formatter):
    """Time, level, function and invocation or logger, message; a traceback follows on its own lines.

    The end of an execution is shorter, for the eye: name, status, time, id, and the error of a failed one.

    Args:
        coloured: whether such a line is red or green.
    """

    def __init__(self, *, coloured: bool = False) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if record.__dict__.keys() >= _ENDED:
            text = _end_text(record.__dict__)
            if self._coloured:
                text = f"\x1b[{31 if record.levelno >= logging.WARNING else 32}m{text}\x1b[0m"
            return f"{moment} {record.levelname:<8} {text}"
        invocation = current_invocation.get()
        where = f"{invocation.function} {invocation.invocation_id[:8]}" if invocation else record.name
        text = f"{moment} {record.levelname:<8} [{where}] {record.getMessage()}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return text


def _end_text(fields: Mapping[str, Any]) -> str:
    duration = "" if fields["duration_ms"] is None else f" in {fields['duration_ms']} ms"
    attempt = f", attempt {fields['attempt']}" if fields["attempt"] > 1 else ""
    text = f"{fields['workflow']} {fields['status']}{duration}{attempt} ({fields['execution_id']})"
    # Its first line: the record has all of it.
    error = ": ".join(part for part in (fields["error_type"], fields["error_text"].text.partition("\n")[0]) if part)
    return f"{text}: {error if len(error) <= _LONGEST_ERROR else f'{error[:_LONGEST_ERROR]}…'}" if error else text


def add_handler(logger: logging.Logger, levels: Mapping[str, str]) -> None:
    """Has a logger write to standard error at INFO and up, as Azure's worker does."""
    handler = logging.StreamHandler()
    # Not on Windows, whose older terminals show the codes.
    coloured = sys.platform != "win32" and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(LineFormatter(coloured=coloured))
    handler.addFilter(CategoryFilter(levels))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
