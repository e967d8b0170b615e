"""Entity group transactions: written and read here, and sent by the SDK's client, which signs and counts them.

The SDK writes and reads them with the standard library's e-mail package, which takes several times as long as all else
that an execution costs a worker (`python3 -m dev bench`). The format:
https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from shared.storage.interface import Change, Delete, Insert, Merge, Replace, Upsert, Values

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3})", re.MULTILINE)
_ETAG = re.compile(rb"^ETag: *([^\r\n]+)", re.MULTILINE | re.IGNORECASE)
_CODE = re.compile(rb'"code":\s*"(\w+)"')


class _Sender(Protocol):
    async def send_request(self, request: Any, **kwargs: Any) -> Any: ...


async def send_transaction(client: TableClient, partition: str, changes: Sequence[Change]) -> list[str | None]:
    """Makes up to 100 changes in one partition, all or none.

    Returns:
        The ETag of each row, None for deleted ones.

    Raises:
        HttpResponseError: of the first change that can't be made, or of the whole.
    """
    from azure.core.rest import HttpRequest

    batch, changeset = f"batch_{uuid.uuid4()}", f"changeset_{uuid.uuid4()}"
    request = HttpRequest(
        "POST",
        f"{client.url}/$batch",
        headers={
            "Content-Type": f"multipart/mixed; boundary={batch}",
            "Accept": "application/json",
            "DataServiceVersion": "3.0",
            "MaxDataServiceVersion": "3.0;NetFx",
            "x-ms-version": client.api_version,
        },
        content=_body(f"{client.url}/{client.table_name}", partition, changes, batch, changeset),
    )
    # The public clients have no way to send a request of one's own.
    sender: _Sender = client._client  # pyright: ignore[reportPrivateUsage, reportAssignmentType]
    response = await sender.send_request(request, stream=True)
    content: bytes = await response.read()
    if response.status_code != 202:
        raise _failure(response.status_code, content, response)
    statuses = list(_STATUS.finditer(content))
    for status in statuses:
        if not status[1].startswith(b"2"):
            raise _failure(int(status[1]), content[status.start() :], None)
    ends = [*(status.start() for status in statuses[1:]), len(content)]
    etags = [_ETAG.search(content, status.start(), end) for status, end in zip(statuses, ends, strict=True)]
    return [etag[1].decode("ascii") if etag else None for etag in etags]


def _body(url: str, partition: str, changes: Sequence[Change], batch: str, changeset: str) -> bytes:
    parts = [f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changeset}\r\n\r\n"]
    for number, change in enumerate(changes):
        parts.append(
            f"--{changeset}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\n{_request(url, partition, change)}\r\n"
        )
    parts.append(f"--{changeset}--\r\n--{batch}--\r\n")
    return "".join(parts).encode("utf-8")


def _request(url: str, partition: str, change: Change) -> str:
    row = f"{url}(PartitionKey='{_in_path(partition)}',RowKey='{_in_path(change.key)}')"
    common = "Accept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"
    match change:
        case Delete():
            return f"DELETE {row} HTTP/1.1\r\n{common}If-Match: *\r\n\r\n"
        case Insert():
            line, condition = f"POST {url}", "Prefer: return-no-content\r\n"
        case Upsert():
            line, condition = f"PUT {row}", ""
        case Replace(etag=etag):
            line, condition = f"PUT {row}", f"If-Match: {etag}\r\n"
        case Merge(etag=etag):
            line, condition = f"PATCH {row}", f"If-Match: {etag}\r\n"
    entity = _entity(partition, change.key, change.values)
    return f"{line} HTTP/1.1\r\n{common}{condition}Content-Type: application/json\r\n\r\n{entity}"


def _entity(partition: str, key: str, values: Values) -> str:
    columns: dict[str, Any] = {"PartitionKey": partition, "RowKey": key}
    for name, value in values.items():
        if isinstance(value, bytes):
            columns[name] = base64.b64encode(value).decode("ascii")
            columns[f"{name}@odata.type"] = "Edm.Binary"
        elif isinstance(value, float):
            columns[name] = value
            columns[f"{name}@odata.type"] = "Edm.Double"
        elif value is not None:
            columns[name] = value
    return json.dumps(columns, allow_nan=False, separators=(",", ":"))


def _in_path(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


def _failure(status: int, content: bytes, response: Any) -> Exception:
    from azure.core.exceptions import HttpResponseError

    code = _CODE.search(content)
    error = HttpResponseError(message=f"Storage answered {status}", response=response)
    error.status_code = status
    error.error_code = code[1].decode("ascii") if code else ""  # pyright: ignore[reportAttributeAccessIssue] - as the SDK does
    return error
