"""What a running function knows of its run, and what it tells about itself: `ExecutionContext`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared.errors import ConfigurationError, FileUnavailableError
from shared.logs.buffer import LogBuffer
from shared.logs.masking import NOTHING_SECRET, SecretMask
from shared.models.base import GLOBAL_SCOPE
from shared.models.http_requests import HttpRequestInfo
from shared.models.results import EndpointResponse
from shared.runtime.calls import StopSignal
from shared.serialization import to_json

__all__ = [
    "Caller",
    "EndpointResponse",
    "ExecutionContext",
    "HttpRequestInfo",
    "Organization",
    "SecretReference",
]

SecretResolver = Callable[[str], Awaitable[str]]
FileReader = Callable[[Any], Awaitable[bytes]]
T = TypeVar("T")


def scope_of(organization: Organization | None) -> str:
    """The organization's id, or `GLOBAL`."""
    return organization.id if organization is not None else GLOBAL_SCOPE


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A configuration value that says where a secret is: `env:NAME`, or a name in the key vault."""

    text: str


@dataclass(frozen=True, slots=True)
class RunConfiguration:
    """What a run finds configured.

    Attributes:
        values: by key, the organization's over the global ones; secrets as `SecretReference`.
        mask: takes secrets out of whatever is kept of the run.
        resolve_secret: gives the secret of a key; called on the loop that serves triggers. None where there are none.
    """

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mask: SecretMask = NOTHING_SECRET
    resolve_secret: SecretResolver | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked for the run."""

    user_id: str
    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """The organization that a run belongs to."""

    id: str
    name: str
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class RunAccess:
    """How a context reaches the run that it belongs to.

    Attributes:
        configuration: what the run finds configured.
        logs: takes its log.
        stop: says whether it was asked to end; None when nobody can ask.
        service_loop: the loop that serves triggers, where secrets are resolved and files read.
        read_file: gives the files that the run was given; called on that loop. None where there are none.
    """

    configuration: RunConfiguration = field(default_factory=RunConfiguration)
    logs: LogBuffer = field(default_factory=LogBuffer)
    stop: StopSignal | None = None
    service_loop: asyncio.AbstractEventLoop | None = None
    read_file: FileReader | None = None


class ExecutionContext:
    """Given to the parameter that is annotated with this class, or to the first one when that is called `context`.

    Attributes:
        organization: the run's organization, None in the scope GLOBAL.
        execution_id: the run's id: the same at every attempt, so it can serve as the key of a side effect.
        attempt: 1 at the first try.
        request: the HTTP request, behind an endpoint.
    """

    def __init__(
        self,
        *,
        user_id: str = "",
        email: str = "",
        name: str = "",
        scope: str | None = None,
        organization: Organization | None = None,
        execution_id: str = "",
        is_platform_admin: bool = False,
        is_function_key: bool = False,
        attempt: int = 1,
        request: HttpRequestInfo | None = None,
        config: Mapping[str, Any] | None = None,
        _config: Mapping[str, Any] | None = None,
        _run: RunAccess | None = None,
    ) -> None:
        self._caller = Caller(user_id, email, name)
        self._scope = organization.id if organization is not None else scope or GLOBAL_SCOPE
        self._is_platform_admin = is_platform_admin
        self._is_function_key = is_function_key
        self._caller_was_read = False
        self.organization = organization
        self.execution_id = execution_id
        self.attempt = attempt
        self.request = request
        run = _run or RunAccess(RunConfiguration(config or _config or {}))
        self._config = run.configuration.values
        self._mask = run.configuration.mask
        self._resolve_secret = run.configuration.resolve_secret
        self._read_file = run.read_file
        self._service_loop = run.service_loop
        self._logs = run.logs
        self._stop = run.stop
        self._snapshots: list[dict[str, Any]] = []
        self._integration_calls: list[dict[str, Any]] = []
        self._progress: dict[str, Any] | None = None
        self._progress_was_wrong = False
        self._result: Any = None
        self._has_result = False

    # It is remembered that what tells callers apart was read: an answer that depends on it is not for others.

    @property
    def user_id(self) -> str:
        """Who asked for the run."""
        return self._read_caller().user_id

    @property
    def email(self) -> str:
        """The caller's e-mail address; empty when it is not known."""
        return self._read_caller().email

    @property
    def name(self) -> str:
        """The caller's name; empty when it is not known."""
        return self._read_caller().name

    @property
    def is_platform_admin(self) -> bool:
        """Whether the caller is an administrator."""
        self._caller_was_read = True
        return self._is_platform_admin

    @property
    def is_function_key(self) -> bool:
        """Whether the caller came with a key."""
        self._caller_was_read = True
        return self._is_function_key

    @property
    def org_id(self) -> str | None:
        """The organization's id, None in the scope GLOBAL."""
        return self.organization.id if self.organization else None

    @property
    def org_name(self) -> str | None:
        """The organization's name, None in the scope GLOBAL."""
        return self.organization.name if self.organization else None

    @property
    def scope(self) -> str:
        """The organization's id, or `GLOBAL`."""
        return self._scope

    @property
    def is_global_scope(self) -> bool:
        """Whether the run belongs to no organization."""
        return self._scope == GLOBAL_SCOPE

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked this run to end; a long loop that looks here can end in its own way."""
        if self._stop is None:
            return False
        # Whoever looks here is not cancelled at once: it may end in its own way.
        self._stop.seen = True
        return self._stop.requested

    def _read_caller(self) -> Caller:
        self._caller_was_read = True
        return self._caller

    def get_config(self, key: str, default: Any = None) -> Any:
        """A configuration value, the organization's before the global one; `default` when there is none.

        Raises:
            ConfigurationError: it is a secret, which `get_secret` gives.
        """
        value = self._config.get(key, default)
        if isinstance(value, SecretReference):
            raise ConfigurationError(f"{key!r} is a secret: await context.get_secret({key!r})")
        return value

    def has_config(self, key: str) -> bool:
        """Whether there is a configuration value of this name."""
        return key in self._config

    async def get_secret(self, key: str) -> str:
        """The secret that a configuration value of type secret_ref points to.

        Raises:
            ConfigurationError: there is no such value, or the secret can't be had.
        """
        if self._resolve_secret is None:
            raise ConfigurationError(f"no secret named {key!r} is configured")
        return await self._on_service_loop(self._resolve_secret(key))

    async def read_file(self, value: Any) -> bytes:
        """The bytes of a file that this run was given, at most 100 MiB.

        Args:
            value: what the workflow got for the file: from a form the object, or its upload id or blob URI; from a
                multipart request the object. In `shared.testing` and `dev run` the path of a file, too.

        Raises:
            FileUnavailableError: this run was not given it, it is no longer there, or it is too large.
            StorageUnavailableError: storage is out of reach.
        """
        if self._read_file is None:
            raise FileUnavailableError("This run was given no such file")
        return await self._on_service_loop(self._read_file(value))

    async def _on_service_loop(self, found: Awaitable[T]) -> T:
        # Storage and vault clients belong to the loop that serves triggers.
        if self._service_loop is None or self._service_loop is asyncio.get_running_loop():
            return await found
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(found), self._service_loop))

    def save_checkpoint(self, name: str, data: Any = None) -> None:
        """Keeps a snapshot of `data` with the run's record, as it is now."""
        snapshot = {"name": name, "timestamp": _now(), "data": data}
        self._snapshots.append(self._mask.json(to_json(snapshot)))

    def track_integration_call(
        self,
        integration: str,
        method: str,
        endpoint: str,
        status: int | str,
        duration_ms: float,
        error: str | None = None,
    ) -> None:
        """Records a call to another system with the run.

        Args:
            integration: the other system's name.
            method: such as GET.
            endpoint: what was called, without secrets.
            status: what it answered.
            duration_ms: how long it took, in milliseconds.
            error: what went wrong.
        """
        call = {
            "integration": integration,
            "method": method,
            "endpoint": endpoint,
            "status": status,
            "durationMs": duration_ms,
            "error": error,
            "timestamp": _now(),
        }
        self._integration_calls.append(self._mask.json(to_json(call)))

    def report_progress(self, fraction: float, message: str = "") -> None:
        """Tells how far the run has come.

        Args:
            fraction: 0 to 1; what lies outside is taken as the nearer bound, and a line of the run's log says so.
            message: a sentence for people.
        """
        try:
            given = float(fraction)
        except (TypeError, ValueError):
            given = math.nan
        bounded = min(1.0, max(0.0, given))
        if bounded != given and not self._progress_was_wrong:
            # Said once: a loop that counts wrong does so each time.
            self._progress_was_wrong = True
            self.warning(f"report_progress takes a fraction from 0 to 1, not {str(fraction)[:40]}; 0.5 is half of it")
        self._progress = {"fraction": bounded, "message": self._mask.text(str(message)), "timestamp": _now()}

    def set_result(self, value: Any) -> None:
        """Sets the result of a script; the last one counts."""
        self._result = value
        self._has_result = True

    def debug(self, message: str, **data: Any) -> None:
        """Writes a line of level debug, with data, to the run's log."""
        self._logs.add("debug", str(message), "context", data=data or None)

    def info(self, message: str, **data: Any) -> None:
        """Writes a line of level info, with data, to the run's log."""
        self._logs.add("info", str(message), "context", data=data or None)

    def warning(self, message: str, **data: Any) -> None:
        """Writes a line of level warning, with data, to the run's log."""
        self._logs.add("warning", str(message), "context", data=data or None)

    def error(self, message: str, **data: Any) -> None:
        """Writes a line of level error, with data, to the run's log."""
        self._logs.add("error", str(message), "context", data=data or None)


@dataclass(slots=True)
class Collected:
    """What a run told about itself through its context; `caller_was_read`: whether it looked at who asked for it."""

    state_snapshots: list[dict[str, Any]]
    integration_calls: list[dict[str, Any]]
    progress: dict[str, Any] | None
    result: Any
    has_result: bool
    caller_was_read: bool


def collected_by(context: ExecutionContext) -> Collected:
    """What the run told so far; for the engine and the executor, not for workflows."""
    # The context's public face is the authors'; this module is the one place that looks behind it.
    return Collected(
        state_snapshots=list(context._snapshots),  # pyright: ignore[reportPrivateUsage]
        integration_calls=list(context._integration_calls),  # pyright: ignore[reportPrivateUsage]
        progress=context._progress,  # pyright: ignore[reportPrivateUsage]
        result=context._result,  # pyright: ignore[reportPrivateUsage]
        has_result=context._has_result,  # pyright: ignore[reportPrivateUsage]
        caller_was_read=context._caller_was_read,  # pyright: ignore[reportPrivateUsage]
    )


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _now() -> str:
    return datetime.now(UTC).isoformat()
