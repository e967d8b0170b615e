"""What the workspace has, as the API shows it."""

from __future__ import annotations

from shared.models.base import ApiModel
from shared.models.data_providers import DataProviderModel
from shared.models.workflows import WorkflowModel


class Discovery(ApiModel):
    """The workflows and data providers of the workspace, each as their own lists show them."""

    workflows: list[WorkflowModel]
    data_providers: list[DataProviderModel]
