"""Where records are kept: tables, queues and blobs, and the rooms that hold the kinds of storage there are."""

from shared.storage.counting import CallCounter, count_storage_calls, storage_calls
from shared.storage.errors import AlreadyExistsError, MissingError, ModifiedError, RefusedError
from shared.storage.interface import (
    BlobProperties,
    Blobs,
    Change,
    Delete,
    Insert,
    Merge,
    Page,
    Queue,
    Replace,
    Row,
    Storage,
    Table,
    Upsert,
    Values,
)

__all__ = [
    "AlreadyExistsError",
    "BlobProperties",
    "Blobs",
    "CallCounter",
    "Change",
    "Delete",
    "Insert",
    "Merge",
    "MissingError",
    "ModifiedError",
    "Page",
    "Queue",
    "RefusedError",
    "Replace",
    "Row",
    "Storage",
    "Table",
    "Upsert",
    "Values",
    "count_storage_calls",
    "storage_calls",
]
