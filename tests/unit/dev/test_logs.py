"""The local host's console."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from dev.host.logs import LineFormatter
from shared.models.executions import ExecutionStatus
from shared.repositories.executions.ended import log_end
from tests.support.executions import new_record, success


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What the console shows, without the time."""
    lines: list[str] = []

    class Console(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(LineFormatter().format(record).partition(" ")[2])

    logger, console = logging.getLogger("shared"), Console()
    logger.addHandler(console)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(console)
    logger.setLevel(logging.NOTSET)


def test_the_end_of_a_run_shows_name_status_time_and_id(shown: list[str]):
    record = new_record()
    log_end(record.ended(success(duration_ms=12), "token"))
    assert shown == [f"INFO     greet Success in 12 ms ({record.execution_id})"]


def test_the_end_of_a_failed_run_shows_its_error_on_one_line(shown: list[str]):
    record = new_record(attempt=2)
    end = success(
        status=ExecutionStatus.FAILED, error_type="ValueError", error_message="boom\nand more", duration_ms=None
    )
    log_end(record.ended(end, "token"))
    assert shown == [f"WARNING  greet Failed, attempt 2 ({record.execution_id}): ValueError: boom"]
