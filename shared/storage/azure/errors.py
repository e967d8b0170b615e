"""The one place where the SDKs' errors become ours.

No message here holds more than an error code: the SDKs' own messages can hold addresses and signatures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import StorageUnavailableError
from shared.storage.errors import (
    AlreadyExistsError,
    ContainerMissingError,
    MissingError,
    ModifiedError,
    RefusedError,
    StorageAnswerError,
)

# https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes and the pages of each service
_CONTAINER_MISSING = frozenset({"TableNotFound", "QueueNotFound", "ContainerNotFound"})
_CONTAINER_GOING = frozenset({"TableBeingDeleted", "QueueBeingDeleted", "ContainerBeingDeleted"})
_CONTAINER_EXISTS = frozenset({"TableAlreadyExists", "QueueAlreadyExists", "ContainerAlreadyExists"})
_TRY_LATER = frozenset({408, 429})
# Too busy to begin; any other failure may come after the deed.
_NOT_DONE = frozenset({429, 503})
_LONGEST_RETRY_AFTER = 300
_CODE_IN_TEXT = re.compile(r'"code":\s*"(\w+)"')


def translate(error: Exception) -> Exception:
    """The error to raise for one that came out of an SDK call; one that is no SDK's comes back as it is."""
    from aiohttp import ClientConnectorError, ClientError
    from azure.core.exceptions import (
        AzureError,
        HttpResponseError,
        IncompleteReadError,
        ServiceRequestError,
        ServiceResponseError,
    )

    if isinstance(
        error, ServiceRequestError | ServiceResponseError | IncompleteReadError | ClientError | TimeoutError | OSError
    ):
        # Without a connection nothing was done; the SDK gives a connection that was cut later the same error.
        cause = getattr(error, "inner_exception", error)
        return StorageUnavailableError(is_uncertain=not isinstance(cause, ClientConnectorError))
    if isinstance(error, HttpResponseError):
        return _of_answer(error.status_code or 0, _code(error), _retry_after(error))
    if isinstance(error, AzureError):
        return RefusedError(f"Storage client failed: {type(error).__name__}")
    return error


def _of_answer(status: int, code: str, retry_after: int | None) -> Exception:
    if status >= 500 or status in _TRY_LATER:
        return StorageUnavailableError(retry_after=retry_after or 5, is_uncertain=status not in _NOT_DONE)
    if status in (401, 403):
        return StorageUnavailableError("Storage refuses this app's credentials", retry_after=60)
    if code in _CONTAINER_GOING:
        return StorageUnavailableError("Storage is deleting what this app needs", retry_after=30)
    # Of two that create a queue at the same time, one gets this with the status of a success.
    if code in _CONTAINER_EXISTS:
        return AlreadyExistsError(code)
    if code in _CONTAINER_MISSING:
        return ContainerMissingError(code)
    answers: dict[int, type[StorageAnswerError]] = {404: MissingError, 409: AlreadyExistsError, 412: ModifiedError}
    if status in answers:
        return answers[status](code)
    return RefusedError(f"Storage answered {status} {code}")


def _code(error: Exception) -> str:
    code: object = getattr(error, "error_code", None)
    if code is None:
        # The table client does not look for it after an insert; it stands in the JSON of the answer.
        found = _CODE_IN_TEXT.search(str(error))
        return found[1] if found else ""
    # An enumeration for the codes that the SDK knows, text for the others.
    return str(getattr(code, "value", code))


def _retry_after(error: Exception) -> int | None:
    """Retry-After in seconds (RFC 9110, section 10.2.3); the form with a date is not used by Azure Storage."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    text = headers.get("Retry-After", "")
    return min(int(text), _LONGEST_RETRY_AFTER) if text.isdecimal() else None
