"""A history so long that Azurite would take hours to insert it, since each insert costs it time with the size of the
partition: it is written into its own file, as its rows would be.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dev.azurite import Azurite
from shared.repositories.executions.record import ExecutionRecord
from shared.repositories.executions.store import TABLE
from shared.storage import Insert
from shared.storage.azure.clients import AzureStorage
from shared.storage.keys import key_text
from tests.support.executions import insert_directly, rows_of

_FILE = "__azurite_db_table__.json"


@asynccontextmanager
async def azurite_with(folder: Path, records: list[ExecutionRecord]) -> AsyncIterator[Azurite]:
    """An Azurite whose devstoreaccount1 holds these records of one scope, and nothing else."""
    azurite = Azurite(folder)
    azurite.start()
    storage = AzureStorage(azurite.connection_string)
    await insert_directly(storage, records[:1])
    rows = await rows_of(storage, records)
    await storage.close()
    azurite.stop()
    _write(folder / _FILE, key_text(records[0].scope), rows)
    azurite.start()
    try:
        yield azurite
    finally:
        # What it would save at its end is of no use.
        azurite.kill()


def _write(file: Path, partition: str, rows: list[Insert]) -> None:
    database = json.loads(file.read_text())
    (collection,) = (found for found in database["collections"] if found["name"].endswith(f"${TABLE}"))
    pattern = collection["data"][0]
    collection["data"] = [_document(partition, row, number, pattern) for number, row in enumerate(rows, 1)]
    collection["maxId"] = len(rows)
    positions = range(len(rows))
    collection["binaryIndices"]["PartitionKey"]["values"] = list(positions)
    collection["binaryIndices"]["RowKey"]["values"] = sorted(positions, key=lambda position: rows[position].key)
    with file.open("w") as target:
        json.dump(database, target)


def _document(partition: str, row: Insert, number: int, pattern: dict[str, Any]) -> dict[str, Any]:
    keys = {"PartitionKey": partition, "RowKey": row.key}
    times = {name: value for name, value in pattern["properties"].items() if name.startswith("Timestamp")}
    properties: dict[str, Any] = {}
    for name, value in row.values.items():
        if isinstance(value, bytes):
            properties |= {name: base64.b64encode(value).decode(), f"{name}@odata.type": "Edm.Binary"}
        elif isinstance(value, float):
            properties |= {name: value, f"{name}@odata.type": "Edm.Double"}
        elif value is not None:
            properties[name] = value
    return {**pattern, **keys, "properties": {**keys, **properties, **times}, "$loki": number}
