"""Files of forms: which are taken, which are removed, and what becomes of those that nobody submits."""

from __future__ import annotations

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
from shared.errors import BadRequestError, InvalidInputError
from shared.handlers.form_files import MOST_FILES
from shared.handlers.form_uploads_handlers import make_upload_url
from shared.handlers.forms_handlers import create_form, execute_form_handler
from shared.handlers.services import get_services
from shared.models.executions import ExecutionResponse
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
