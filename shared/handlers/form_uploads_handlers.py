"""Uploads for forms: a signed URL for each file, that goes straight to storage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.access.principal import Principal
from shared.errors import BadRequestError, FieldError, InvalidInputError
from shared.forms.uploaded_files import UNKNOWN_TYPE
from shared.handlers.file_names import clean_file_name
from shared.handlers.form_access import form_to_run
from shared.handlers.form_files import problems_of_file
from shared.handlers.services import get_services
from shared.models.forms import Form, FormField, UploadUrlRequest, UploadUrlResponse

URL_VALID_FOR = timedelta(minutes=15)


async def make_upload_url(form_id: str, body: UploadUrlRequest, principal: Principal) -> UploadUrlResponse:
    """Issues a URL that the caller may PUT one file to, for one of the form's fields.

    Raises:
        NotFoundError: there is no such form for this caller.
        ConflictError: it is not active.
        BadRequestError: it has no field for files, or several and the request does not say which.
        InvalidInputError: the file is empty, too large for the field, or of another type than it takes; or its name is
            blank.
    """
    form = await form_to_run(form_id, principal)
    field = _field_of(form, body)
    name = clean_file_name(body.file_name)
    content_type = body.content_type.strip().lower() or UNKNOWN_TYPE
    problems = [
        FieldError(loc=["body", place], type=kind, msg=message)
        for place, kind, message in problems_of_file(field, name, body.file_size, content_type)
    ]
    if not name:
        problems.append(FieldError(loc=["body", "fileName"], type="blank", msg="has no name of a file in it"))
    if problems:
        raise InvalidInputError(f"The file does not fit the field {field.name!r}", problems)
    now = datetime.now(UTC)
    expires_at = now + URL_VALID_FOR
    upload, url = await get_services().form_uploads.issue(principal.scope, form.id, field.name, name, now, expires_at)
    return UploadUrlResponse(
        upload_id=upload.upload_id, upload_url=url, blob_uri=upload.blob_uri, expires_at=expires_at
    )


def _field_of(form: Form, body: UploadUrlRequest) -> FormField:
    fields = [field for field in form.form_schema.fields if field.type == "file"]
    if body.field is not None:
        fields = [field for field in fields if field.name == body.field]
    if not fields:
        which = f" named {body.field!r}" if body.field is not None else ""
        raise BadRequestError(f"The form has no field for files{which}")
    if len(fields) > 1:
        raise BadRequestError(f"Say which field the file is for: {', '.join(field.name for field in fields)}")
    return fields[0]
