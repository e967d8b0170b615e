"""The models of the API, one file per resource."""

from shared.models.executions import ExecutionStatus

__all__ = ["ExecutionStatus"]
