"""Files of forms: which are taken, which are removed, and what becomes of those that nobody submits."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from shared.access.principal import Principal
from shared.context import Organization
from shared.errors import BadRequestError, FileUnavailableError, InvalidInputError
from shared.forms.uploaded_files import GivenFiles
from shared.handlers.executions_handlers import rerun_execution
from shared.handlers.form_access import find_form
from shared.handlers.form_files import MOST_FILES, resolve_files
from shared.handlers.form_uploads_handlers import make_upload_url
from shared.handlers.forms_handlers import create_form, execute_form_handler
from shared.handlers.services import get_services
from shared.handlers.workflows_handlers import execute_workflow_handler
from shared.models.executions import ExecuteRequest, ExecutionResponse
from shared.models.forms import FormDataRequest, FormRequest, UploadUrlRequest, UploadUrlResponse
from shared.repositories.form_uploads import CONTAINER, FormUploadRepository
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN, USER

App = Callable[[], Storage]
Put = Callable[[UploadUrlResponse, bytes, str], Any]

FLOWS = """
from shared.decorators import workflow


@workflow(name="takes_all", execution_mode="sync")
async def takes_all(**values):
    return values


@workflow(name="takes_picture", execution_mode="sync")
async def takes_picture(picture: dict, number: int):
    return picture
"""
PICTURE = {"name": "picture", "type": "file", "allowedTypes": ["image/*", ".txt"], "maxSizeMB": 0.001}


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path):
    """The file above, in the workspace of this test."""
    (tmp_path / "flows" / "uploads_of_the_test.py").write_text(FLOWS)
    yield
    sys.modules.pop("uploads_of_the_test", None)


@pytest_asyncio.fixture
async def put() -> AsyncIterator[Put]:
    """Uploads as a browser does; gives the status."""
    async with aiohttp.ClientSession() as session:

        async def upload(where: UploadUrlResponse, content: bytes, content_type: str) -> int:
            headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": content_type}
            async with session.put(where.upload_url, data=content, headers=headers) as answer:
                return answer.status

        yield upload


async def made(*fields: dict[str, Any], **changes: Any) -> str:
    body = {
        "name": "Files",
        "linkedWorkflow": "takes_all",
        "isPublic": True,
        "isGlobal": True,
        "formSchema": {"fields": list(fields)},
    }
    return (await create_form(FormRequest.model_validate({**body, **changes}), ADMIN)).form.id


async def url_for(form_id: str, name: str = "a.png", who: Principal = USER, **changes: Any) -> UploadUrlResponse:
    body = {"file_name": name, "content_type": "image/png", "file_size": 5, **changes}
    return await make_upload_url(form_id, UploadUrlRequest.model_validate(body), who)


async def submit(form_id: str, who: Principal = USER, **values: Any) -> Any:
    answer = (await execute_form_handler(form_id, FormDataRequest(form_data=values), who)).answer
    assert isinstance(answer, ExecutionResponse)
    return answer.result


async def refused(form_id: str, who: Principal = USER, **values: Any) -> list[tuple[list[Any], str]]:
    with pytest.raises(InvalidInputError) as caught:
        await execute_form_handler(form_id, FormDataRequest(form_data=values), who)
    return [(error["loc"], error["type"]) for error in caught.value.errors]


def blob_of(where: UploadUrlResponse) -> str:
    return where.blob_uri.partition(f"/{CONTAINER}/")[2]


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [(b"x" * 2000, "image/png", "too_large"), (b"x", "application/x-msdownload", "wrong_type")],
)
async def test_what_does_not_fit_is_named_and_removed_and_may_come_better(
    put: Put, content: bytes, content_type: str, reason: str
):
    form_id = await made(PICTURE)
    where = await url_for(form_id)
    assert await put(where, content, content_type) == 201
    place = ["body", "form_data", "picture"]
    assert await refused(form_id, picture=where.upload_id) == [(place, reason)]
    assert await get_services().storage.blobs(CONTAINER).properties(blob_of(where)) is None
    assert await refused(form_id, picture=where.upload_id) == [(place, "not_uploaded")]
    assert await put(where, b"good", "image/png") == 201
    assert (await submit(form_id, picture=where.upload_id))["picture"]["size"] == 4


async def test_a_file_may_be_submitted_by_its_blob_uri(put: Put):
    form_id = await made({**PICTURE, "multiple": True})
    one, two = [await url_for(form_id, name) for name in ("a.png", "ü b#1.png")]
    for where in (one, two):
        assert await put(where, b"x", "image/png") == 201
    files = (await submit(form_id, picture=[one.blob_uri, two.blob_uri]))["picture"]
    assert [file["uploadId"] for file in files] == [one.upload_id, two.upload_id]
    assert await submit(form_id, picture=[one.upload_id]) == {"picture": files[:1]}


async def test_a_blob_uri_that_this_form_did_not_give_out_is_none(put: Put):
    form_id = await made(PICTURE)
    where, other = await url_for(form_id), await url_for(await made(PICTURE, name="Other"))
    for each in (where, other):
        assert await put(each, b"x", "image/png") == 201
    bent = [
        other.blob_uri,
        where.blob_uri.replace("127.0.0.1", "storage.example"),
        where.blob_uri + "?sig=x",
        f"https://storage.example/{where.upload_id}/a.png",
        where.blob_uri.replace(form_id, str(uuid4())),
        "/",
        "https://storage.example/a.png",
    ]
    for uri in bent:
        assert await refused(form_id, picture=uri) == [(["body", "form_data", "picture"], "unknown_upload")]


async def test_an_announced_file_that_does_not_fit_gets_no_url():
    form_id = await made(PICTURE)
    with pytest.raises(InvalidInputError) as caught:
        await url_for(form_id, "a.exe", content_type="application/x-msdownload", file_size=2000)
    assert [error["loc"] for error in caught.value.errors] == [["body", "fileSize"], ["body", "contentType"]]
    assert (await url_for(form_id, "NOTES.TXT", content_type="application/octet-stream")).upload_id


async def test_only_ids_that_this_form_gave_out_to_this_scope_for_this_field_are_taken(put: Put):
    other_field = {"name": "other", "type": "file"}
    form_id = await made(PICTURE, other_field)
    other_form = await made({"name": "picture", "type": "file"}, name="Other")
    elsewhere = replace(USER, organization=Organization("one", "One"))
    strangers = [
        await url_for(other_form),
        await url_for(form_id, field="other"),
        await url_for(form_id, who=elsewhere, field="picture"),
    ]
    for where in strangers:
        assert await put(where, b"x", "image/png") == 201
    ids = [where.upload_id for where in strangers]
    for upload_id in [*ids, "nothing", "00000000-0000-4000-8000-000000000000"]:
        assert await refused(form_id, picture=upload_id) == [(["body", "form_data", "picture"], "unknown_upload")]
    # What another form gave out is left alone.
    assert await get_services().storage.blobs(CONTAINER).properties(blob_of(strangers[0])) is not None
    assert (await submit(form_id, elsewhere, picture=ids[2]))["picture"]["uploadId"] == ids[2]


async def test_a_field_for_several_files_gives_a_list(put: Put):
    form_id = await made({**PICTURE, "multiple": True})
    places = [await url_for(form_id, name) for name in ("first.png", "second.png")]
    for where in places:
        assert await put(where, b"x", "image/png") == 201
    result = await submit(form_id, picture=[where.upload_id for where in places])
    assert [picture["name"] for picture in result["picture"]] == ["first.png", "second.png"]
    assert await refused(form_id, picture=["nothing", places[0].upload_id]) == [
        (["body", "form_data", "picture"], "unknown_upload")
    ]


async def test_more_files_than_a_submission_may_have_cost_no_call_to_storage(monkeypatch: pytest.MonkeyPatch):
    form_id = await made({"name": "many", "type": "file", "multiple": True}, {"name": "more", "type": "file"})

    async def looked_up(*_: Any) -> None:
        pytest.fail("an upload was looked up")

    monkeypatch.setattr(FormUploadRepository, "find", looked_up)
    body = FormDataRequest(form_data={"many": [str(uuid4()) for _ in range(MOST_FILES)], "more": str(uuid4())})
    with pytest.raises(InvalidInputError, match="There are 51 files") as caught:
        await execute_form_handler(form_id, body, USER)
    assert [error["type"] for error in caught.value.errors] == ["too_many_files", "too_many_files"]


async def test_a_form_with_several_fields_for_files_asks_which():
    form_id = await made(PICTURE, {"name": "other", "type": "file"})
    with pytest.raises(BadRequestError, match="picture, other"):
        await url_for(form_id)
    with pytest.raises(BadRequestError, match="'third'"):
        await url_for(form_id, field="third")


async def test_a_url_is_for_one_blob_and_a_quarter_of_an_hour(put: Put):
    where = await url_for(await made(PICTURE))
    assert timedelta(minutes=14) < where.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    elsewhere = where.model_copy(update={"upload_url": where.upload_url.replace("a.png", "b.png")})
    assert await put(elsewhere, b"x", "image/png") == 403


async def test_a_file_that_was_submitted_can_not_be_changed_by_its_url(put: Put):
    form_id = await made(PICTURE)
    where = await url_for(form_id)
    assert await put(where, b"good", "image/png") == 201
    await submit(form_id, picture=where.upload_id)
    assert await put(where, b"worse", "image/png") in (403, 409)


async def test_files_that_nobody_submitted_go_after_a_day_and_the_others_stay(put: Put):
    form_id = await made(PICTURE)
    used, unused = await url_for(form_id), await url_for(form_id)
    for where in (used, unused):
        assert await put(where, b"x", "image/png") == 201
    await submit(form_id, picture=used.upload_id)
    repository, blobs = get_services().form_uploads, get_services().storage.blobs(CONTAINER)
    assert await repository.remove_old(datetime.now(UTC) + timedelta(hours=24)) == 0
    assert await repository.remove_old(datetime.now(UTC) + timedelta(hours=26)) == 2
    assert await blobs.properties(blob_of(used)) is not None
    assert await blobs.properties(blob_of(unused)) is None


async def test_a_file_whose_submission_the_workflow_refuses_is_not_kept(put: Put):
    form_id = await made(PICTURE, {"name": "number", "type": "number"}, linkedWorkflow="takes_picture")
    where = await url_for(form_id)
    assert await put(where, b"x", "image/png") == 201
    assert await refused(form_id, picture=where.upload_id) == [(["body", "form_data", "number"], "missing")]
    await get_services().form_uploads.remove_old(datetime.now(UTC) + timedelta(hours=26))
    assert await get_services().storage.blobs(CONTAINER).properties(blob_of(where)) is None


READERS = """
import asyncio

from shared.decorators import workflow
from shared.errors import FileUnavailableError


@workflow(name="reads", execution_mode="sync", endpoint_enabled=True)
async def reads(context, picture: dict, other: dict | None = None):
    try:
        return (await context.read_file(other or picture)).decode()
    except FileUnavailableError as error:
        return f"refused: {error}"


@workflow(name="reads_later")
def reads_later(context, picture: dict):
    names = (picture, picture["blobUri"], picture["uploadId"])
    return [asyncio.run(context.read_file(name)).decode() for name in names]
"""
REFUSED = "refused: This run was given no such file"


@pytest.fixture
def readers(flows: None, tmp_path: Path):
    """Workflows that read files."""
    (tmp_path / "flows" / "readers_of_the_test.py").write_text(READERS)
    yield
    sys.modules.pop("readers_of_the_test", None)


async def test_a_workflow_reads_the_file_that_its_form_was_given(put: Put, readers: None):
    form_id = await made(PICTURE, linkedWorkflow="reads")
    where = await url_for(form_id)
    assert await put(where, b"content", "image/png") == 201
    assert await submit(form_id, picture=where.blob_uri) == "content"


async def test_a_def_workflow_from_the_queue_reads_its_file_by_any_of_its_names_and_when_run_again(
    put: Put, readers: None
):
    form_id = await made(PICTURE, linkedWorkflow="reads_later")
    where = await url_for(form_id)
    assert await put(where, b"content", "image/png") == 201
    answer = (await execute_form_handler(form_id, FormDataRequest(form_data={"picture": where.upload_id}), USER)).answer
    assert await run_queued(answer.execution_id) == ["content"] * 3
    again = (await rerun_execution(answer.execution_id, ADMIN)).answer
    assert await run_queued(again.execution_id) == ["content"] * 3


async def run_queued(execution_id: str) -> Any:
    """Runs an execution as its message in the queue does, and gives its result."""
    await get_services().executor.run_queued(json.dumps({"execution_id": execution_id, "attempt": 1}))
    record = await get_services().executions.get("GLOBAL", execution_id)
    assert record is not None
    assert record.end is not None
    return record.end.result


async def test_no_value_opens_a_file_that_the_run_was_not_given(put: Put, readers: None):
    json_field = {"name": "other", "type": "textarea"}
    form_id = await made(PICTURE, json_field, linkedWorkflow="reads")
    mine, theirs = await url_for(form_id), await url_for(form_id)
    stranger = await url_for(await made(PICTURE, name="Other"))
    for where in (mine, theirs, stranger):
        assert await put(where, b"content", "image/png") == 201
    assert await submit(form_id, picture=theirs.upload_id) == "content"
    for where in (theirs, stranger):
        crafted = {"uploadId": where.upload_id, "blobUri": where.blob_uri, "size": 1, "blobName": blob_of(where)}
        assert await submit(form_id, picture=mine.upload_id, other=json.dumps(crafted)) == REFUSED
        # Nor does whoever calls the workflow itself, and says that it is by the form.
        body = ExecuteRequest.model_validate({"inputData": {"picture": crafted}, "formId": form_id})
        answer = (await execute_workflow_handler(body, ADMIN, "reads")).answer
        assert isinstance(answer, ExecutionResponse)
        assert answer.result == REFUSED


async def test_a_file_that_is_gone_is_named_so(put: Put, readers: None):
    form_id = await made(PICTURE, linkedWorkflow="reads")
    where = await url_for(form_id)
    assert await put(where, b"content", "image/png") == 201
    state = await resolve_files((await find_form(form_id, USER)).form, {"picture": where.upload_id}, USER)
    await get_services().storage.blobs(CONTAINER).delete(blob_of(where))
    files = GivenFiles(state.given, get_services().form_uploads)
    with pytest.raises(FileUnavailableError, match="no longer there"):
        await files.read(state.values["picture"])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\Users\\ada\\offer.pdf", "offer.pdf"),
        ("a\nb\x00.pdf", "ab.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  offer .pdf. ", "offer .pdf"),
        ("Zoe\u0308.pdf", "Zoë.pdf"),
        ("سند\u200cها.pdf", "سند\u200cها.pdf"),
    ],
)
async def test_a_workflow_gets_a_files_name_without_what_misleads(put: Put, sent: str, kept: str):
    form_id = await made({"name": "picture", "type": "file"})
    where = await url_for(form_id, sent)
    assert await put(where, b"x", "image/png") == 201
    assert (await submit(form_id, picture=where.upload_id))["picture"]["name"] == kept


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"file_size": 0}, [("fileSize", "empty")]),
        ({"file_size": 101 * 1024 * 1024}, [("fileSize", "too_large")]),
        ({"file_name": " "}, [("fileName", "blank")]),
        ({"file_name": "folder/"}, [("fileName", "blank")]),
        ({"file_name": ".."}, [("fileName", "blank")]),
        ({"file_name": "\u202e", "file_size": 0}, [("fileSize", "empty"), ("fileName", "blank")]),
    ],
)
async def test_a_file_that_could_never_be_submitted_gets_no_url(changes: dict[str, Any], places: list[Any]):
    form_id = await made({"name": "picture", "type": "file"})
    with pytest.raises(InvalidInputError) as caught:
        await url_for(form_id, **changes)
    assert [(error["loc"][-1], error["type"]) for error in caught.value.errors] == places


async def test_a_field_may_take_more_than_is_usual():
    form_id = await made({"name": "picture", "type": "file", "maxSizeMB": 200})
    assert (await url_for(form_id, file_size=101 * 1024 * 1024)).upload_id


async def test_a_kind_that_the_browser_does_not_know_is_bytes(put: Put):
    form_id = await made({"name": "picture", "type": "file"}, {**PICTURE, "name": "strict"})
    where = await url_for(form_id, "a.xyz", content_type="", field="picture")
    assert await put(where, b"x", "") == 201
    assert (await submit(form_id, picture=where.upload_id))["picture"]["contentType"] == "application/octet-stream"
    with pytest.raises(InvalidInputError) as caught:
        await url_for(form_id, "a.xyz", content_type="", field="strict")
    assert [error["loc"] for error in caught.value.errors] == [["body", "contentType"]]
    assert (await url_for(form_id, "a.txt", content_type=" ", field="strict")).upload_id


async def test_an_empty_file_that_was_uploaded_all_the_same_is_removed(put: Put):
    form_id = await made(PICTURE)
    where = await url_for(form_id)
    assert await put(where, b"", "image/png") == 201
    assert await refused(form_id, picture=where.upload_id) == [(["body", "form_data", "picture"], "empty")]
