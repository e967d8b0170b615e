"""Access keys as the API shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.models.base import ApiModel, ListQuery, UtcDatetime, example


class WorkflowKeyCreate(ApiModel):
    """Which key to make: for one workflow, or with no workflowId a global one, which opens every endpoint but those
    that take only their own keys.

    `disableGlobalKey` says that the workflow is to take only its own keys from now on, as `disable_global_key` in its
    code does; it needs a workflowId.
    """

    model_config = example({"workflowId": "ticket_webhook", "expiresInDays": 90, "description": "help desk"})

    workflow_id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = None
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)
    description: str = Field(default="", max_length=200)
    disable_global_key: bool = False


class WorkflowKeyListQuery(ListQuery):
    """Which keys to list: of one workflow, or all; with `includeRevoked` also those that open nothing any more."""

    workflow_id: str | None = Field(default=None, max_length=63)
    include_revoked: bool = False


class WorkflowKey(ApiModel):
    """A key as it is listed: `maskedKey` is enough to recognise it, and no more.

    One that is revoked opens nothing; what is left of it goes after 90 days.
    """

    id: str
    masked_key: str
    workflow_id: str | None
    description: str
    disable_global_key: bool
    created_by: str
    created_at: UtcDatetime
    expires_at: UtcDatetime | None = None
    last_used_at: UtcDatetime | None = None
    revoked: bool = False
    revoked_at: UtcDatetime | None = None


class CreatedWorkflowKey(WorkflowKey):
    """A new key; `rawKey` is shown this once, and stored nowhere."""

    raw_key: str
