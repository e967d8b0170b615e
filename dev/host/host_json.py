"""What host.json says about the things that this host does, with the documented defaults.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# An app setting of this prefix stands over the value of host.json at the path that follows, its parts joined by "__".
OVERRIDE = "AzureFunctionsJobHost__"

# Messages that a single call to the queue service gives at most.
MAX_BATCH = 32
MIN_POLLING_SECONDS = 0.1

TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,7})?)$")


class HostJsonError(Exception):
    """host.json, or a setting that overrides it, has a value that can't be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """extensions.queues.

    Attributes:
        batch_size: messages taken in one call, 1 to 32.
        new_batch_threshold: the next batch is taken when no more than this many messages are in work.
        max_dequeue_count: tries before a message goes to the poison queue.
        visibility_timeout: seconds between a failure and the next try.
        max_polling_interval: the longest pause, in seconds, between two looks at an empty queue.
        base64: whether message texts are base64.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float = 60.0
    base64: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What this host reads of host.json.

    Attributes:
        route_prefix: first part of every HTTP route, without slashes; may be empty.
        max_outstanding_requests: HTTP requests under way before further ones get 429; None: no bound.
        function_timeout: seconds that a function may run; None: no bound.
        queues: of the queue triggers.
        host_id: the same for all instances of the app; what they share on storage is named after it.
        log_levels: lowest level shown, by category prefix; "default" for all others.
    """

    route_prefix: str = "api"
    max_outstanding_requests: int | None = None
    function_timeout: float | None = 300.0
    queues: QueueOptions
    host_id: str
    log_levels: Mapping[str, str]


def read_host_json(app_dir: Path, environ: Mapping[str, str]) -> HostOptions:
    """Reads host.json of an app; one that is missing is the same as an empty one.

    Raises:
        HostJsonError: it is no JSON object, or a value is of the wrong kind; the message names it.
    """
    try:
        document = json.loads((app_dir / "host.json").read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        document = {}
    except ValueError as error:
        raise HostJsonError(f"host.json is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise HostJsonError("host.json must be a JSON object")
    values = _Values(document, environ)
    batch_size = values.integer("extensions.queues.batchSize", 16, 1, MAX_BATCH)
    outstanding = values.integer("extensions.http.maxOutstandingRequests", -1, -1, 2**31 - 1)
    log_levels = values.find("logging.logLevel") or {}
    if not isinstance(log_levels, dict):
        raise HostJsonError("logging.logLevel in host.json must be an object")
    return HostOptions(
        route_prefix=str(values.get("extensions.http.routePrefix", "api")).strip("/"),
        max_outstanding_requests=None if outstanding == -1 else outstanding,
        # Without a value Azure gives 5 minutes on Consumption, the shortest of the plans.
        function_timeout=values.timespan("functionTimeout", 300.0, unbounded="-1"),
        queues=QueueOptions(
            batch_size=batch_size,
            new_batch_threshold=values.integer(
                "extensions.queues.newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), 0, 2**31 - 1
            ),
            max_dequeue_count=values.integer("extensions.queues.maxDequeueCount", 5, 1, 2**31 - 1),
            visibility_timeout=values.timespan("extensions.queues.visibilityTimeout", 0.0) or 0.0,
            max_polling_interval=max(
                values.timespan("extensions.queues.maxPollingInterval", 60.0) or 0.0, MIN_POLLING_SECONDS
            ),
            base64=values.one_of("extensions.queues.messageEncoding", ("base64", "none")) == "base64",
        ),
        # Core Tools, too, make one from where the app lies.
        host_id=str(document.get("id") or hashlib.sha256(str(app_dir.resolve()).encode()).hexdigest()[:32]),
        log_levels={str(name): str(level) for name, level in log_levels.items()},
    )


class _Values:
    def __init__(self, document: dict[str, Any], environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = {name.lower(): value for name, value in environ.items()}

    def find(self, path: str) -> Any:
        """The value at a dotted path, or None."""
        override = self._environ.get((OVERRIDE + path.replace(".", "__")).lower())
        if override is not None:
            return override
        found: Any = self._document
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def get(self, path: str, default: Any) -> Any:
        found = self.find(path)
        return default if found is None else found

    def integer(self, path: str, default: int, low: int, high: int) -> int:
        found = self.get(path, default)
        try:
            value = int(str(found))
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise HostJsonError(f"{path} in host.json must be a whole number from {low} to {high}, not {found!r}")
        return value

    def timespan(self, path: str, default: float, unbounded: str | None = None) -> float | None:
        found = self.find(path)
        if found is None:
            return default
        if str(found) == unbounded:
            return None
        match = TIMESPAN.match(str(found))
        if match is None:
            raise HostJsonError(f'{path} in host.json must look like "00:00:30", not {found!r}')
        days, hours, minutes, seconds = match.groups()
        return ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)

    def one_of(self, path: str, allowed: tuple[str, ...]) -> str:
        found = str(self.get(path, allowed[0])).lower()
        if found not in allowed:
            raise HostJsonError(f"{path} in host.json must be {' or '.join(allowed)}, not {found!r}")
        return found
