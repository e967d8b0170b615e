"""When a failed attempt is followed by another one, and after what wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.executions.retries import retry_wait
from shared.models.executions import ExecutionStatus
from shared.registry import RetryPolicy
from tests.support.executions import new_record, success

POLICY: RetryPolicy = {"max_attempts": 5, "backoff_seconds": 10, "max_backoff_seconds": 60}


def failed(error_type: str = "ValueError"):  # type: ignore[no-untyped-def]
    return success(status=ExecutionStatus.FAILED, error_type=error_type)


@pytest.mark.parametrize(("attempt", "low", "high"), [(1, 8, 12), (2, 16, 24), (3, 32, 48), (4, 60, 60)])
def test_the_wait_doubles_up_to_its_bound_and_is_spread(attempt: int, low: float, high: float):
    waits = [retry_wait(POLICY, new_record(attempt=attempt), failed()) for _ in range(100)]
    assert all(wait is not None and low <= wait <= high for wait in waits)
    assert low == high or len(set(waits)) > 50


def test_after_the_last_attempt_there_is_no_other():
    assert retry_wait(POLICY, new_record(attempt=5), failed()) is None
    assert retry_wait(None, new_record(), failed()) is None
    assert retry_wait({}, new_record(), failed()) is None


@pytest.mark.parametrize("error_type", ["ValidationError", "NotFound", "UserError"])
def test_an_exception_is_retried_whatever_its_class_is_called(error_type: str):
    # An author's own, or one of pydantic's about what another system has answered.
    assert retry_wait(POLICY, new_record(), failed(error_type)) is not None


def test_the_authors_own_word_to_the_caller_is_not_retried_whatever_its_class_is_called():
    assert retry_wait(POLICY, new_record(), replace(failed("OutOfStock"), error_status_code=409)) is None


@pytest.mark.parametrize(
    ("status", "retried"),
    [
        (ExecutionStatus.TIMEOUT, True),
        (ExecutionStatus.SUCCESS, False),
        (ExecutionStatus.COMPLETED_WITH_ERRORS, False),
        (ExecutionStatus.CANCELLED, False),
    ],
)
def test_only_failures_and_timeouts_are_retried(status: ExecutionStatus, retried: bool):
    assert (retry_wait(POLICY, new_record(), success(status=status)) is not None) == retried
