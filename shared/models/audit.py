"""The audit log as the API shows it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.models.base import ApiModel, Limit, ListQuery, UtcDatetime


class AuditEntry(ApiModel):
    """What somebody set about to do; it was written before the deed, which may have failed afterwards.

    `action` is `code.run`, or what is changed and how, such as `form.update`; `target` its id, key or name.
    """

    id: str
    at: UtcDatetime
    user_id: str
    user_name: str
    action: str
    target: str
    details: dict[str, Any]
    scope: str


class AuditPage(ApiModel):
    """Entries, newest first; `continuationToken` gives those after them, null at the end."""

    entries: list[AuditEntry]
    continuation_token: str | None = None


class AuditQuery(ListQuery):
    """Which entries to list."""

    limit: Limit = 25
    continuation_token: str | None = Field(default=None, max_length=1000)
