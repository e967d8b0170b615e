"""What a failed run is answered with at an endpoint."""

from __future__ import annotations

import pytest

from shared.handlers.endpoint_answers import failure_of_run
from shared.models.executions import ExecutionResponse, ExecutionStatus


def response(status: ExecutionStatus) -> ExecutionResponse:
    return ExecutionResponse(
        execution_id="e1", status=status, error="too much", error_type="ValueError", details={"abandoned": True}
    )


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [
        (ExecutionStatus.FAILED, "WorkflowFailed", 500),
        (ExecutionStatus.CANCELLED, "WorkflowFailed", 500),
        (ExecutionStatus.TIMEOUT, "WorkflowTimeout", 504),
    ],
)
def test_each_end_that_is_none_of_the_workflows_own_is_an_error(status: ExecutionStatus, code: str, answered: int):
    known = failure_of_run(response(status), None, is_public=False)
    assert known is not None
    assert (known.code, known.answer_status, known.message) == (code, answered, "too much")
    assert known.details == {"executionId": "e1", "status": status, "errorType": "ValueError", "abandoned": True}
    stranger = failure_of_run(response(status), None, is_public=True)
    assert stranger is not None
    assert (stranger.answer_status, stranger.details) == (answered, {"executionId": "e1", "status": status})
    assert "too much" not in stranger.message


def test_a_user_error_is_for_everybody_with_its_own_status():
    told = failure_of_run(response(ExecutionStatus.FAILED), 404, is_public=True)
    assert told is not None
    assert (told.code, told.answer_status, told.message) == ("WorkflowFailed", 404, "too much")


@pytest.mark.parametrize("status", [ExecutionStatus.SUCCESS, ExecutionStatus.COMPLETED_WITH_ERRORS])
def test_what_returned_is_no_error(status: ExecutionStatus):
    assert failure_of_run(response(status), None, is_public=True) is None
