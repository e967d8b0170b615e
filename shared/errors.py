"""Every error that the platform raises on purpose.

Answers: each knows the code and the HTTP status that it is answered with (docs/calling.md).

* PlatformError                        500
  - WorkflowFailedError                500
    + WorkflowTimeoutError             504
  - BadRequestError                    400
  - InvalidInputError                  400
  - UnauthorizedError                  401
  - ForbiddenError                     403
  - NotFoundError                      404
    + FunctionNotFoundError            404
  - MethodNotAllowedError              405
  - ConflictError                      409
  - LengthRequiredError                411
  - PreconditionFailedError            412
  - PayloadTooLargeError               413
  - UnsupportedMediaTypeError          415
  - TooManyRequestsError               429
  - ProviderFailedError                502
  - ServiceUnavailableError            503
    + StorageUnavailableError          503
  - ProviderTimeoutError               504

In a run: workflows raise the first and get the next two from the context; the fourth is what a result can be; the last
makes user code stop.

* UserError
* ConfigurationError
* FileUnavailableError
* NotAwaitedError
* ExecutionStopped

At start: a setting that can't be used keeps the app from starting, a definition that can't be keeps its file out.

* SettingsError
* DefinitionError
  - DuplicateFunctionError
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict

MISSING_PACKAGE_HINT = (
    "A package that workflows need belongs in requirements.txt in the workspace folder; "
    "`python3 -m dev check`, `run` and `start` install it"
)
"""What is added to a ModuleNotFoundError of a user's file, when it is loaded and when it runs."""


class FieldError(TypedDict):
    """One wrong field: where it is (`loc`), the kind of mistake (`type`) and a sentence about it (`msg`)."""

    loc: list[str | int]
    type: str
    msg: str


class PlatformError(Exception):
    """Base of the errors that become an answer.

    Args:
        message: one sentence for the caller; says what is wrong and where. Never holds secrets or paths.
        details: further JSON-serializable facts for the caller, or None.
    """

    code: ClassVar[str] = "InternalServerError"
    status: ClassVar[int] = 500
    answer_headers: ClassVar[Mapping[str, str]] = {}
    """What the names in `headers` mean, for the API's description."""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def answer_status(self) -> int:
        """The HTTP status of the answer."""
        return self.status

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer, besides the usual ones."""
        return {}


class WorkflowFailedError(PlatformError):
    """The workflow behind an endpoint ran and failed, or was cancelled. A `UserError` of its own has its status.

    Args:
        message: as in `PlatformError`.
        details: as in `PlatformError`; `executionId` is always there.
        user_status: of the `UserError` that the workflow raised, 400 to 499; None for any other failure.
    """

    code = "WorkflowFailed"
    answer_headers: ClassVar[Mapping[str, str]] = {
        "Execution-Recorded": "`false` when storage went away during the run, so that its record comes later",
        "Idempotent-Replayed": "`true` when an earlier call began the execution",
    }

    def __init__(self, message: str, details: Mapping[str, Any], user_status: int | None = None) -> None:
        super().__init__(message, details)
        self._user_status = user_status

    @property
    def answer_status(self) -> int:
        return self.status if self._user_status is None else self._user_status


class WorkflowTimeoutError(WorkflowFailedError):
    """The workflow behind an endpoint was stopped at its time limit."""

    code = "WorkflowTimeout"
    status = 504


class BadRequestError(PlatformError):
    """The request can't be understood."""

    code = "BadRequest"
    status = 400


class InvalidInputError(PlatformError):
    """The request is understood, and fields of it are wrong; each is named in `errors`."""

    code = "ValidationError"
    status = 400

    def __init__(self, message: str, errors: Sequence[FieldError]) -> None:
        super().__init__(message, {"errors": list(errors)})
        self.errors = list(errors)


class UnauthorizedError(PlatformError):
    """Nobody is signed in, or the key is not valid."""

    code = "Unauthorized"
    status = 401


class ForbiddenError(PlatformError):
    """The caller is known and may not do this."""

    code = "Forbidden"
    status = 403


class NotFoundError(PlatformError):
    """There is no such thing in the caller's scope."""

    code = "NotFound"
    status = 404


class FunctionNotFoundError(NotFoundError, ValueError):
    """No function of this name has the tag that was asked for."""


class MethodNotAllowedError(PlatformError):
    """The route exists, with other methods.

    Args:
        message: as in `PlatformError`.
        allow: the methods that the route has, for the `Allow` header (RFC 9110, section 10.2.1).
    """

    code = "MethodNotAllowed"
    status = 405
    answer_headers: ClassVar[Mapping[str, str]] = {"Allow": "The methods that the route has"}

    def __init__(self, message: str, allow: Sequence[str]) -> None:
        super().__init__(message, {"allow": sorted(allow)})
        self.allow = sorted(allow)

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allow)}


class ConflictError(PlatformError):
    """The thing is in a state that does not allow this."""

    code = "Conflict"
    status = 409


class LengthRequiredError(PlatformError):
    """The request's body came in chunks and was dropped on its way: it must be sent with its length."""

    code = "LengthRequired"
    status = 411


class PreconditionFailedError(PlatformError):
    """The thing was changed since the caller read it."""

    code = "PreconditionFailed"
    status = 412


class PayloadTooLargeError(PlatformError):
    """The request's body is larger than the platform takes."""

    code = "PayloadTooLarge"
    status = 413


class UnsupportedMediaTypeError(PlatformError):
    """The request's body has a type, charset or coding that can't be read here.

    Args:
        message: as in `PlatformError`.
        codings: those that can be read, where the body has another (RFC 9110, section 15.5.16).
    """

    code = "UnsupportedMediaType"
    status = 415
    answer_headers: ClassVar[Mapping[str, str]] = {"Accept-Encoding": "The codings that can be read"}

    def __init__(self, message: str, codings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.codings = list(codings)

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept-Encoding": ", ".join(self.codings)} if self.codings else {}


class _RetryLaterError(PlatformError):
    """Base of the errors that pass by themselves.

    Args:
        message: as in `PlatformError`.
        retry_after: whole seconds, from 1 up, after which a retry makes sense (RFC 9110, section 10.2.3).
    """

    answer_headers: ClassVar[Mapping[str, str]] = {"Retry-After": "Whole seconds after which a retry makes sense"}

    def __init__(self, message: str, retry_after: int, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, details)
        self.retry_after = max(1, retry_after)

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class TooManyRequestsError(_RetryLaterError):
    """The caller has used up its rate."""

    code = "TooManyRequests"
    status = 429


class ServiceUnavailableError(_RetryLaterError):
    """Something the platform needs is out of reach for now."""

    code = "ServiceUnavailable"
    status = 503


class StorageUnavailableError(ServiceUnavailableError):
    """Storage did not answer, or answered that it can't.

    Args:
        message: as in `PlatformError`.
        retry_after: seconds, from 1 up.
        is_uncertain: whether what was asked for may have been done all the same, and only the answer was lost.
    """

    def __init__(
        self, message: str = "Storage is out of reach", retry_after: int = 5, *, is_uncertain: bool = False
    ) -> None:
        super().__init__(message, retry_after)
        self.is_uncertain = is_uncertain


class ProviderFailedError(PlatformError):
    """A data provider raised, or gave something that is no list of options."""

    code = "ProviderFailed"
    status = 502


class ProviderTimeoutError(PlatformError):
    """A data provider did not answer within its time."""

    code = "ProviderTimeout"
    status = 504


class UserError(Exception):
    """Raised by a workflow to tell its caller something: the message is shown to the caller as it is.

    Args:
        message: a sentence for the caller.
        status_code: 400 to 499, the answer's status at `/api/endpoints`; left out, that of the class, 400. The other
            ways in answer 200 with the status `Failed`.

    Raises:
        ValueError: the status is another.
    """

    status_code: int = 400

    def __init__(self, message: object = "", status_code: int | None = None) -> None:
        super().__init__(message)
        if status_code is None:
            return
        if type(status_code) is bool or not isinstance(status_code, int) or not 400 <= status_code <= 499:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"UserError takes a status_code from 400 to 499, not {status_code!r}")
        self.status_code = int(status_code)


class ConfigurationError(Exception):
    """Workflow code asked for a configuration value or a secret that can't be had."""


class FileUnavailableError(Exception):
    """An uploaded file can't be read: the run was not given it, it is gone, or it is too large."""


class NotAwaitedError(Exception):
    """A result holds coroutines or other awaitables that nobody awaited.

    Args:
        awaitables: those.
    """

    def __init__(self, awaitables: Sequence[Any]) -> None:
        super().__init__("The result holds a coroutine that nobody awaited")
        self.awaitables = awaitables


class ExecutionStopped(BaseException):
    """Raised inside user code to make it stop. No `Exception`, so that a careless `except Exception` lets it pass."""


class SettingsError(Exception):
    """A setting is missing or has a value that can't be used; the message names the setting and what it may be."""


class DefinitionError(ValueError):
    """A workflow file says something that can't be: a wrong name, two names, an impossible timeout.

    Raised while the file is imported; the file becomes a load error and the rest of the workspace stays.
    """


class DuplicateFunctionError(DefinitionError):
    """Two functions of the workspace have one name; the message names both places."""
