"""The storage SDKs' errors, as this project's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientConnectorError, ServerDisconnectedError
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)

from shared.errors import StorageUnavailableError
from shared.storage.azure.errors import translate
from shared.storage.errors import (
    AlreadyExistsError,
    ContainerMissingError,
    MissingError,
    ModifiedError,
    RefusedError,
)

SECRET = "https://account.example/?sig=AccountKey"


@dataclass
class Answer:
    """As much of an HTTP answer as the SDK's errors look at."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = "Reason"


def answered(status: int, code: str = "", headers: dict[str, str] | None = None) -> HttpResponseError:
    error = HttpResponseError(SECRET, response=Answer(status, headers or {}))  # pyright: ignore[reportArgumentType]
    error.error_code = code  # pyright: ignore[reportAttributeAccessIssue] - the storage SDKs add it
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServiceRequestError(SECRET), StorageUnavailableError),
        (ServiceRequestTimeoutError(SECRET), StorageUnavailableError),
        (ServiceResponseError(SECRET), StorageUnavailableError),
        (ConnectionResetError(SECRET), StorageUnavailableError),
        (answered(408), StorageUnavailableError),
        (answered(429), StorageUnavailableError),
        (answered(500), StorageUnavailableError),
        (answered(503, "ServerBusy"), StorageUnavailableError),
        (answered(403, "AuthenticationFailed"), StorageUnavailableError),
        (answered(409, "TableBeingDeleted"), StorageUnavailableError),
        (answered(404, "ResourceNotFound"), MissingError),
        (answered(404, "TableNotFound"), ContainerMissingError),
        (answered(404, "QueueNotFound"), ContainerMissingError),
        (answered(404, "ContainerNotFound"), ContainerMissingError),
        (answered(409, "EntityAlreadyExists"), AlreadyExistsError),
        (answered(409, "TableAlreadyExists"), AlreadyExistsError),
        (answered(204, "QueueAlreadyExists"), AlreadyExistsError),
        (answered(412, "UpdateConditionNotSatisfied"), ModifiedError),
        (answered(400, "PropertyValueTooLarge"), RefusedError),
        (AzureError(SECRET), RefusedError),
    ],
)
def test_every_answer_of_storage_has_one_error_and_no_secret_in_it(error: Exception, expected: type[Exception]) -> None:
    translated = translate(error)
    assert type(translated) is expected
    assert "sig" not in str(translated)


NO_CONNECTION = ClientConnectorError(cast("Any", SimpleNamespace(host="h", port=1, ssl=True)), OSError())


@pytest.mark.parametrize(
    ("error", "is_uncertain"),
    [
        (ServiceRequestError(SECRET, error=NO_CONNECTION), False),
        (answered(503, "ServerBusy"), False),
        (answered(429), False),
        (ServiceRequestError(SECRET, error=ServerDisconnectedError()), True),
        (ServiceResponseError(SECRET), True),
        (answered(500, "OperationTimedOut"), True),
        (TimeoutError(), True),
    ],
)
def test_whether_the_deed_may_have_been_done_is_told(error: Exception, is_uncertain: bool) -> None:
    translated = translate(error)
    assert isinstance(translated, StorageUnavailableError)
    assert translated.is_uncertain is is_uncertain


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0", 5), ("", 5), ("soon", 5), ("86400", 300)])
def test_the_time_that_storage_asks_for_is_passed_on_within_bounds(header: str, seconds: int) -> None:
    translated = translate(answered(503, "ServerBusy", {"Retry-After": header}))
    assert isinstance(translated, StorageUnavailableError)
    assert translated.headers == {"Retry-After": str(seconds)}


def test_a_mistake_of_the_program_stays_what_it_is() -> None:
    mistake = KeyError("name")
    assert translate(mistake) is mistake
