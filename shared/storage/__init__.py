"""Azure Storage: tables, queues, blobs. The only package that knows the storage SDKs, which it imports on first use."""

from shared.storage.blobs import Blobs
from shared.storage.clients import Storage, close_storage, get_storage
from shared.storage.counting import CallCounter, count_storage_calls, current_counter
from shared.storage.errors import AlreadyExistsError, MissingError, ModifiedError, RefusedError
from shared.storage.queues import Queue
from shared.storage.tables import Page, Row, Table
from shared.storage.transactions import Delete, Insert, Merge, Replace, Upsert

__all__ = [
    "AlreadyExistsError",
    "Blobs",
    "CallCounter",
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
    "close_storage",
    "count_storage_calls",
    "current_counter",
    "get_storage",
]
