"""Files of a submission, looked at before a workflow gets to know of them.

A signed URL can bound neither size nor type, so both are checked when the form is submitted. A file is submitted by the
id or the blob URI that came with its URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from shared.access.principal import Principal
from shared.errors import FieldError, InvalidInputError
from shared.forms.uploaded_files import UNKNOWN_TYPE
from shared.handlers.services import get_services
from shared.models.forms import DEFAULT_MAX_SIZE_MB, Form, FormField
from shared.repositories.form_uploads import Upload
from shared.storage import BlobProperties

_BYTES_PER_MB = 1024 * 1024
# Of one submission, all its fields together; each costs calls to storage.
MOST_FILES = 50


@dataclass(frozen=True, slots=True)
class SubmittedFiles:
    """The files of a submission.

    Attributes:
        values: of the file fields, as the workflow gets them.
        given: what the run may read; see `ExecutionRequest.files`.
        uploads: the files.
    """

    values: dict[str, Any]
    given: dict[str, dict[str, Any]]
    uploads: list[Upload]

    async def mark_used(self) -> None:
        """Has the files stay for good, since a workflow gets them."""
        await asyncio.gather(*(get_services().form_uploads.mark_used(upload) for upload in self.uploads))


async def resolve_files(form: Form, values: Mapping[str, Any], principal: Principal) -> SubmittedFiles:
    """Looks at the files that were submitted. What does not fit its field is removed.

    Each file becomes {uploadId, name, contentType, size, blobUri}, or a list of these where the field takes several.

    Args:
        form: the form.
        values: by field, as `submitted_values` gives them.
        principal: who submits; an id that was issued to another scope is none.

    Raises:
        InvalidInputError: names each field with a file that is not there or does not fit; or there are more than
            `MOST_FILES`.
    """
    fields = [field for field in form.form_schema.fields if field.type == "file" and field.name in values]
    references = [(field, reference) for field in fields for reference in _as_list(values[field.name])]
    if len(references) > MOST_FILES:
        message = f"There are {len(references)} files; at most {MOST_FILES} are taken at once"
        raise InvalidInputError(message, [_problem(field, "too_many_files", message) for field in fields])
    found = await asyncio.gather(*(_find(form, field, reference, principal) for field, reference in references))
    problems = [problem for answer in found if isinstance(answer, list) for problem in answer]
    if problems:
        raise InvalidInputError("Files of the form are not valid", problems)
    good = [answer for answer in found if isinstance(answer, tuple)]
    described: dict[str, list[dict[str, Any]]] = {field.name: [] for field in fields}
    for upload, properties in good:
        described[upload.field].append(
            {
                "uploadId": upload.upload_id,
                "name": upload.name,
                "contentType": properties.content_type or UNKNOWN_TYPE,
                "size": properties.size,
                "blobUri": upload.blob_uri,
            }
        )
    ready = {field.name: described[field.name] if field.multiple else described[field.name][0] for field in fields}
    given = {upload.upload_id: {"blobName": upload.blob_name, "size": properties.size} for upload, properties in good}
    return SubmittedFiles(ready, given, [upload for upload, _ in good])


async def _find(
    form: Form, field: FormField, reference: str, principal: Principal
) -> tuple[Upload, BlobProperties] | list[FieldError]:
    """The upload and what storage says of it, or what is wrong with it."""
    repository = get_services().form_uploads
    upload = await repository.find(principal.scope, form.id, reference, datetime.now(UTC))
    if upload is None or upload.field != field.name:
        return [_problem(field, "unknown_upload", "is no upload that this form issued for the field")]
    properties = await repository.properties(upload)
    if properties is None:
        return [_problem(field, "not_uploaded", f"{upload.name} was not uploaded")]
    problems = [
        _problem(field, kind, f"{upload.name} {message}; it was removed")
        for _, kind, message in problems_of_file(field, upload.name, properties.size, properties.content_type)
    ]
    if problems:
        await repository.discard(upload)
        return problems
    return upload, properties


def problems_of_file(field: FormField, name: str, size: int, content_type: str) -> list[tuple[str, str, str]]:
    """What is wrong with a file for a field.

    Returns:
        For each problem the property as an upload request has it, a code, and the rest of a sentence.
    """
    problems: list[tuple[str, str, str]] = []
    most = field.max_size_mb if field.max_size_mb is not None else DEFAULT_MAX_SIZE_MB
    if size == 0:
        problems.append(("fileSize", "empty", "has no bytes; an empty file is not taken"))
    if size > most * _BYTES_PER_MB:
        problems.append(("fileSize", "too_large", f"has {size} bytes; at most {most:g} MB are taken"))
    if field.allowed_types and not any(_is_of(kind.lower(), name, content_type) for kind in field.allowed_types):
        allowed = ", ".join(field.allowed_types)
        problems.append(("contentType", "wrong_type", f"is {content_type}; the field takes {allowed}"))
    return problems


def _is_of(kind: str, name: str, content_type: str) -> bool:
    """Whether a file is of a kind as HTML's `accept` has it: `.pdf`, `image/*` or `application/pdf`.

    https://html.spec.whatwg.org/multipage/input.html#attr-input-accept
    """
    if kind.startswith("."):
        return name.lower().endswith(kind)
    bare = content_type.partition(";")[0].strip()
    return bare.startswith(kind[:-1]) if kind.endswith("/*") else bare == kind


def _as_list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _problem(field: FormField, kind: str, message: str) -> FieldError:
    return FieldError(loc=["body", "form_data", field.name], type=kind, msg=message)
