"""The platform's settings: read once from the environment and host.json, checked, and then never changed.

Local runs take them from local.settings.json, Azure from the app settings; both arrive as environment variables.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from shared.errors import SettingsError
from shared.settings.storage_account import StorageSettings, is_safe_url, read_storage_settings

APP_ROOT = Path(__file__).resolve().parent.parent.parent

# The answer to an HTTP call is cut off at 230 s by Azure's load balancer, on every plan:
# https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
HTTP_RUN_LIMIT_SECONDS = 210.0
# Somebody waits for a dropdown to fill.
DATA_PROVIDER_LIMIT_SECONDS = 60.0
# A function timeout kills the worker with every run in it, so a run's own timeout must come well before it.
TIMEOUT_MARGIN_SECONDS = 30

# Variables that are only there on Azure or in a container platform (Container Apps, Kubernetes). CONTAINER_NAME, which
# Azure sets too, is not among them: developers' own containers have it, and Azure always sets one of these besides.
HOSTED_MARKS = (
    "WEBSITE_INSTANCE_ID",
    "WEBSITE_SITE_NAME",
    "WEBSITE_POD_NAME",
    "CONTAINER_APP_NAME",
    "KUBERNETES_SERVICE_HOST",
)

TelemetryTarget = Literal["otlp", "application_insights"]
_TELEMETRY_TARGETS: dict[TelemetryTarget, str] = {
    "otlp": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "application_insights": "APPLICATIONINSIGHTS_CONNECTION_STRING",
}

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off", ""}
_TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says.

    Attributes:
        storage: the storage account; None where none is needed, as in a workflow's own tests.
        key_vault_url: of the key vault that configuration values of type secret_ref point to; None without one.
        identity_client_id: of the user-assigned managed identity that the app comes with; None for its own.
        workspace_path: folder of the users' workflows.
        home_path: a second such folder, or None.
        workspace_reload: whether changed workspace files are picked up without a restart.
        auth_mode: `development` trusts local callers; `platform` asks for App Service Authentication.
        platform_auth_enabled: whether App Service Authentication stands in front of the app, so that its identity
            headers can be trusted.
        endpoint_rate_per_minute, public_rate_per_minute: how many calls of an access key, and of a public endpoint by
            anybody, this process takes in a minute, 1 to 1,000,000.
        inline_code: whether administrators may run code sent in a request.
        hosted: whether the app runs on Azure or on a container platform.
        function_timeout_seconds: host.json's functionTimeout; None when it has no bound.
        thread_pool_size: how many `def` functions and scripts run at the same time, 1 to 1,000.
        event_loops: how many event loops for `async def` functions there may be at most, 1 to 64.
        record_start_grace_seconds: how long a sync run may take before its start is recorded, 0 to 10.
        failure_locals: whether the record of a failed run keeps the local variables of its frames, for administrators.
        telemetry_targets: where this process itself sends spans and log records; none when telemetry is off.
        service_name: what they are sent under.
    """

    storage: StorageSettings | None
    key_vault_url: str | None
    identity_client_id: str | None
    workspace_path: Path
    home_path: Path | None
    workspace_reload: bool
    auth_mode: Literal["development", "platform"]
    platform_auth_enabled: bool
    endpoint_rate_per_minute: int
    public_rate_per_minute: int
    inline_code: bool
    hosted: bool
    function_timeout_seconds: int | None
    thread_pool_size: int
    event_loops: int
    record_start_grace_seconds: float
    failure_locals: bool
    telemetry_targets: tuple[TelemetryTarget, ...]
    service_name: str

    def require_storage(self) -> StorageSettings:
        """The storage account.

        Raises:
            SettingsError: there is none.
        """
        if self.storage is None:
            raise SettingsError(
                "AzureWebJobsStorage must be a storage connection string or UseDevelopmentStorage=true, or "
                "AzureWebJobsStorage__accountName the account that the app's managed identity may use"
            )
        return self.storage

    @property
    def longest_timeout_seconds(self) -> int | None:
        """The largest timeout_seconds that a function may ask for; None when there is no bound."""
        if self.function_timeout_seconds is None:
            return None
        return self.function_timeout_seconds - TIMEOUT_MARGIN_SECONDS


def load_settings(environ: Mapping[str, str], app_root: Path = APP_ROOT) -> Settings:
    """Reads and checks the settings.

    Args:
        environ: the environment variables.
        app_root: the folder that holds host.json, and that relative paths start from.

    Raises:
        SettingsError: a value is missing or impossible; all of them are named in one message.
    """
    problems: list[str] = []

    def flag(name: str, default: bool) -> bool:
        text = environ.get(name)
        if text is None:
            return default
        if text.strip().lower() in _TRUE:
            return True
        if text.strip().lower() in _FALSE:
            return False
        problems.append(f"{name} must be true or false, not {text!r}")
        return default

    def number(name: str, default: int, low: int, high: int) -> int:
        text = environ.get(name)
        if text is None or not text.strip():
            return default
        try:
            value = int(text)
        except ValueError:
            problems.append(f"{name} must be a whole number from {low} to {high}, not {text!r}")
            return default
        if not low <= value <= high:
            problems.append(f"{name} must be from {low} to {high}, not {value}")
        return value

    hosted = any(environ.get(name) for name in HOSTED_MARKS)
    auth_mode = environ.get("AUTH_MODE", "platform").strip().lower() or "platform"
    if auth_mode not in ("development", "platform"):
        problems.append(f"AUTH_MODE must be development or platform, not {auth_mode!r}")
    elif auth_mode == "development":
        azure_environment = environ.get("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
        if hosted or azure_environment != "Development":
            problems.append(
                "AUTH_MODE=development makes every caller an administrator and is for a developer's own machine; "
                "remove it from this app's settings"
            )

    storage = read_storage_settings(environ, problems)
    vault = environ.get("KEY_VAULT_URL", "").strip().rstrip("/")
    if vault and not is_safe_url(vault):
        problems.append("KEY_VAULT_URL must be the vault's address, https://NAME.vault.azure.net")
    home = environ.get("HOME_PATH", "").strip()
    settings = Settings(
        storage=storage,
        key_vault_url=vault or None,
        identity_client_id=environ.get("AZURE_CLIENT_ID", "").strip() or (storage.client_id if storage else None),
        workspace_path=app_root / (environ.get("WORKSPACE_PATH", "").strip() or "workspace"),
        home_path=app_root / home if home else None,
        workspace_reload=flag("WORKSPACE_RELOAD", False),
        auth_mode="development" if auth_mode == "development" else "platform",
        platform_auth_enabled=flag("WEBSITE_AUTH_ENABLED", False),
        endpoint_rate_per_minute=number("ENDPOINT_RATE_PER_MINUTE", 600, 1, 1_000_000),
        public_rate_per_minute=number("PUBLIC_RATE_PER_MINUTE", 60, 1, 1_000_000),
        inline_code=flag("INLINE_CODE", not hosted),
        hosted=hosted,
        function_timeout_seconds=_function_timeout(environ, app_root, problems),
        thread_pool_size=number("WORKFLOW_THREADS", 32, 1, 1000),
        event_loops=number("WORKFLOW_EVENT_LOOPS", 16, 1, 64),
        record_start_grace_seconds=number("RECORD_START_GRACE_MS", 0, 0, 10_000) / 1000,
        failure_locals=flag("FAILURE_LOCALS", True),
        telemetry_targets=_telemetry(environ, problems) if flag("PYTHON_ENABLE_OPENTELEMETRY", False) else (),
        service_name=environ.get("OTEL_SERVICE_NAME") or environ.get("WEBSITE_SITE_NAME") or "workflow-platform",
    )
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def _telemetry(environ: Mapping[str, str], problems: list[str]) -> tuple[TelemetryTarget, ...]:
    """Where telemetry goes: to all that is named, as with Azure's own host."""
    targets: tuple[TelemetryTarget, ...] = tuple(
        target for target, name in _TELEMETRY_TARGETS.items() if environ.get(name, "").strip()
    )
    if not targets:
        names = " nor ".join(_TELEMETRY_TARGETS.values())
        problems.append(f"PYTHON_ENABLE_OPENTELEMETRY is true, but neither {names} says where to send telemetry")
    return targets


def _function_timeout(environ: Mapping[str, str], app_root: Path, problems: list[str]) -> int | None:
    """host.json's functionTimeout in seconds, None for "-1"; the app setting of the same name wins, as on Azure."""
    text = environ.get("AzureFunctionsJobHost__functionTimeout")
    if text is None:
        try:
            host: Any = json.loads((app_root / "host.json").read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            host = {}
        except (OSError, ValueError):
            problems.append("host.json can't be read as JSON")
            host = {}
        # Without a value Azure gives 5 minutes on Consumption, the shortest of the plans.
        found: Any = cast("dict[str, Any]", host).get("functionTimeout", "00:05:00") if isinstance(host, dict) else ""
        text = str(found)
    if text == "-1":
        return None
    match = _TIMESPAN.match(text)
    if match is None:
        problems.append(f'functionTimeout in host.json must look like "00:10:00", or be "-1", not {text!r}')
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total <= TIMEOUT_MARGIN_SECONDS:
        problems.append(f"functionTimeout in host.json must be longer than {TIMEOUT_MARGIN_SECONDS} s, not {text}")
    return total


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read on first use.

    Raises:
        SettingsError: see `load_settings`.
    """
    return load_settings(os.environ)
