"""Where an execution's rows are: its main row, and one row in each list that it belongs to.

All rows of a scope are in one partition. A list is a prefix of the row key; behind it the time, reversed, puts the
newest first, so that every list is read as a plain range of keys:

    a:TIME:ID            the record
    w:WORKFLOW:TIME:ID   the list of a workflow      (WORKFLOW: hash of its name)
    u:USER:TIME:ID       the list of a user          (USER: hash of the id)
    s:STATUS:TIME:ID     the list of a status        (the row moves when the status does)
    m:TIME:ID            the list of those that wait although their message could not be sent
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from shared.errors import BadRequestError
from shared.models.executions import ExecutionStatus
from shared.repositories.ids import LAST_TICK, parse_execution_id, tick_after, tick_of, tick_of_id
from shared.storage.keys import key_hash

ALL = "a:"
UNSENT = "m:"
# Sorts right behind the colon that ends each part of a key.
_AFTER_COLON = ";"


@dataclass(frozen=True, slots=True)
class RecordKeys:
    """The keys of one record's rows.

    Attributes:
        partition: of all of them.
        tail: what ends each row key: the time, reversed, and the id.
        main: row key of the record itself.
        lists: row keys in the lists that it is in whatever its status.
    """

    partition: str
    tail: str
    main: str
    lists: tuple[str, ...]

    @classmethod
    def of(cls, partition: str, tail: str, workflow_name: str, executed_by: str) -> Self:
        """The keys of a record.

        Args:
            partition: the scope, as `key_text`.
            tail: see `tail_of`.
            workflow_name, executed_by: of the record.
        """
        lists = (f"w:{key_hash(workflow_name)}:{tail}", f"u:{key_hash(executed_by)}:{tail}")
        return cls(partition, tail, f"{ALL}{tail}", lists)

    def listed(self, status: ExecutionStatus, *, is_unsent: bool) -> tuple[str, ...]:
        """The row keys in all lists that the record is in, besides the list of all."""
        keys = (*self.lists, f"s:{status}:{self.tail}")
        return (*keys, f"{UNSENT}{self.tail}") if is_unsent else keys


def list_key(prefix: str, execution_id: str) -> str:
    """Row key of an execution in the list with this prefix."""
    return f"{prefix}{tail_of(execution_id)}"


def id_in(key: str) -> str:
    """The execution id in any of the row keys."""
    return key.rpartition(":")[2]


def tail_in(key: str) -> str:
    """The tail of any of the row keys, see `tail_of`."""
    return ":".join(key.rsplit(":", 2)[1:])


def workflow_list(workflow_name: str) -> str:
    """Prefix of a workflow's list."""
    return f"w:{key_hash(workflow_name)}:"


def user_list(executed_by: str) -> str:
    """Prefix of a user's list."""
    return f"u:{key_hash(executed_by)}:"


def status_list(status: ExecutionStatus) -> str:
    """Prefix of a status's list."""
    return f"s:{status}:"


def status_lists(statuses: Iterable[ExecutionStatus]) -> str:
    """The prefix that stands for several lists of statuses read as one, in its tokens; of one, its own."""
    return f"s:{','.join(sorted(set(statuses)))}:"


def key_range(prefix: str, created_from: datetime | None, created_to: datetime | None) -> tuple[str, str]:
    """The keys between which the rows of a list lie that were made in this time; neither key belongs to a row."""
    above, below = prefix, prefix.removesuffix(":") + _AFTER_COLON
    if created_to is not None:
        above = f"{prefix}{_reversed(tick_after(created_to))}{_AFTER_COLON}"
    if created_from is not None:
        below = f"{prefix}{_reversed(tick_of(created_from))}{_AFTER_COLON}"
    return above, below


def token_of(key: str) -> str:
    """The continuation token of a list that was read up to this row key."""
    return base64.urlsafe_b64encode(key.encode("ascii")).decode("ascii").rstrip("=")


def key_of_token(token: str, prefix: str) -> str:
    """The row key in a continuation token of the list with this prefix.

    Raises:
        BadRequestError: the token is not one of this list.
    """
    try:
        key = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    execution_id = parse_execution_id(id_in(key))
    # Made anew from the id alone, so that nothing else in a token can get into a query.
    if execution_id is None or key != list_key(prefix, execution_id) or token != token_of(key):
        raise BadRequestError("continuationToken is not one that this list gave out")
    return key


def tail_of(execution_id: str) -> str:
    """What ends each row key of an execution: its time, so that the newest sorts first, and the id."""
    return f"{LAST_TICK - tick_of_id(execution_id):015x}:{execution_id}"


def _reversed(tick: int) -> str:
    """A tick as fixed-width text that sorts the newest first."""
    return f"{LAST_TICK - tick:015x}"
