"""The files behind `context.read_file`: those that a run was given, wherever they lie."""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit

from shared.errors import FileUnavailableError

MOST_BYTES = 100 * 1024 * 1024
"""How large a file may be that a run reads: it is in memory as a whole."""

# For a file whose kind nobody tells (RFC 2046, section 4.5.1).
UNKNOWN_TYPE = "application/octet-stream"


class FileStore(Protocol):
    """Where uploaded files lie."""

    async def read(self, blob_name: str) -> bytes | None:
        """A file; None when it is not there.

        Raises:
            StorageUnavailableError: storage is out of reach.
        """
        ...


@dataclass(frozen=True, slots=True)
class GivenFiles:
    """The files of one run.

    Args:
        files: by upload id, `blobName` and `size`: what the form's submission was found to hold, and nothing that a
            caller says.
        store: where they lie; None where there is no storage.
    """

    files: Mapping[str, Mapping[str, Any]]
    store: FileStore | None

    async def read(self, value: Any) -> bytes:
        """The bytes of a file; see `ExecutionContext.read_file`."""
        content = _content_in(value)
        if content is not None:
            return content
        given = self.files.get(_upload_id_of(value))
        if given is None or self.store is None:
            raise FileUnavailableError("This run was given no such file")
        _check_size(given["size"])
        found = await self.store.read(given["blobName"])
        if found is None:
            raise FileUnavailableError("The file is no longer there")
        return found


async def read_local(value: Any) -> bytes:
    """The bytes of a file of this machine, for an author's own tests: by its path, or what `local_file` gives."""
    content = _content_in(value)
    if content is not None:
        return content
    path = _path_of(value)
    if path is None or not path.is_file():
        raise FileUnavailableError("There is no such file here: give the path of one")
    _check_size(path.stat().st_size)
    return await asyncio.to_thread(path.read_bytes)


def local_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A file of this machine as a workflow gets one that was uploaded.

    Raises:
        FileUnavailableError: there is none.
    """
    found = Path(path).resolve()
    if not found.is_file():
        raise FileUnavailableError(f"There is no file {os.fspath(path)}")
    return {
        "uploadId": str(uuid.uuid5(uuid.NAMESPACE_URL, found.as_uri())),
        "name": found.name,
        "contentType": mimetypes.guess_type(found.name)[0] or UNKNOWN_TYPE,
        "size": found.stat().st_size,
        "blobUri": found.as_uri(),
    }


def _content_in(value: Any) -> bytes | None:
    """What came with the request itself: a part of a multipart body."""
    content = cast("Mapping[str, Any]", value).get("content") if isinstance(value, Mapping) else None
    if not isinstance(content, str):
        return None
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise FileUnavailableError("The file's content is no base64") from None


def _upload_id_of(value: Any) -> str:
    """What stands for a file: the object that the workflow was given, or its upload id or blob URI."""
    if isinstance(value, Mapping):
        value = cast("Mapping[str, Any]", value).get("uploadId")
    if not isinstance(value, str):
        raise FileUnavailableError(
            "That is no file: give what the workflow got for the field, and one of them where it got a list"
        )
    return value.split("/")[-2] if value.count("/") > 1 else value


def _path_of(value: Any) -> Path | None:
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        value = found.get("blobUri") or found.get("path")
    if isinstance(value, str) and value.startswith("file:"):
        return Path(unquote(urlsplit(value).path))
    if isinstance(value, (str, PurePath)) and str(value):
        return Path(value)
    return None


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise FileUnavailableError(f"The file has {size} bytes; at most {MOST_BYTES} are read at once")
