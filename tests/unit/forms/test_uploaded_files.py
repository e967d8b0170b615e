"""`context.read_file`: which files there are for a run, and for an author's own tests."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.context import ExecutionContext
from shared.errors import FileUnavailableError
from shared.forms.uploaded_files import MOST_BYTES, GivenFiles, read_local
from shared.testing import local_file, run

ID = "12345678-1234-5678-1234-567812345678"


class Store:
    """Has one file, and says what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read(self, blob_name: str) -> bytes | None:
        self.asked.append(blob_name)
        return b"content" if blob_name == "there" else None


def given(blob_name: str = "there", size: int = 7) -> tuple[GivenFiles, Store]:
    store = Store()
    files: Mapping[str, Mapping[str, Any]] = {ID: {"blobName": blob_name, "size": size}}
    return GivenFiles(files, store), store


@pytest.mark.parametrize("value", [ID, {"uploadId": ID}, f"https://account.example/uploads/GLOBAL/form/{ID}/a.png"])
async def test_a_file_is_read_by_what_stands_for_it(value: Any):
    files, _ = given()
    assert await files.read(value) == b"content"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("other", "was given no such file"),
        ({"uploadId": "../there", "blobName": "there", "path": "/etc/passwd"}, "was given no such file"),
        ({"blobUri": "file:///etc/passwd"}, "That is no file"),
        ("file:///etc/passwd", "was given no such file"),
        ([{"uploadId": ID}], "one of them where it got a list"),
        (None, "That is no file"),
        ({"content": "%%%"}, "no base64"),
    ],
)
async def test_what_stands_for_no_file_of_the_run_is_refused_without_asking_storage(value: Any, message: str):
    files, store = given()
    with pytest.raises(FileUnavailableError, match=message):
        await files.read(value)
    assert store.asked == []


async def test_a_file_that_is_too_large_or_gone_is_named_so():
    files, store = given(size=MOST_BYTES + 1)
    with pytest.raises(FileUnavailableError, match="at most 104857600 are read"):
        await files.read(ID)
    assert store.asked == []
    files, _ = given("gone")
    with pytest.raises(FileUnavailableError, match="no longer there"):
        await files.read(ID)


async def test_a_part_of_a_multipart_request_has_its_content_with_it():
    content = base64.b64encode(b"content").decode()
    assert await GivenFiles({}, None).read({"name": "a.txt", "content": content}) == b"content"


async def test_a_context_that_an_author_made_has_no_files():
    with pytest.raises(FileUnavailableError):
        await ExecutionContext().read_file("setup.py")


async def test_an_authors_test_reads_files_of_this_machine(tmp_path: Path):
    async def count(context: ExecutionContext, document: dict[str, Any]) -> list[Any]:
        return [document["name"], document["contentType"], document["size"], len(await context.read_file(document))]

    path = tmp_path / "offer ä.pdf"
    path.write_bytes(b"content")
    assert (await run(count, document=local_file(path))).result == ["offer ä.pdf", "application/pdf", 7, 7]

    async def plain(context: ExecutionContext, path: str) -> str:
        return (await context.read_file(path)).decode()

    assert (await run(plain, path=str(path))).result == "content"
    failed = await run(plain, path=str(tmp_path / "other"))
    assert (failed.error_type, failed.error_message) == (
        "FileUnavailableError", "There is no such file here: give the path of one"
    )  # fmt: skip
    with pytest.raises(FileUnavailableError):
        local_file(tmp_path / "other")


async def test_files_of_this_machine_have_the_same_bound(tmp_path: Path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(FileUnavailableError, match="at most"):
        await read_local(path)
