"""Telemetry is there when it is asked for, and else costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys

OFF = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "AUTH_MODE": "platform"}
# As on nearly every function app: the host's own telemetry goes there.
DESTINATION = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=00000000-0000-0000-0000-000000000000"}
ON = {"PYTHON_ENABLE_OPENTELEMETRY": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}

COUNT = """
import asyncio, sys
import function_app
from shared.handlers.services import get_services
from shared.context import Caller
from shared.discovery import ensure_loaded
from shared.engine import ExecutionRequest, execute

async def main():
    await ensure_loaded()
    request = ExecutionRequest(execution_id="e", caller=Caller("u"), name="hello", parameters={"name": "Ada"})
    assert (await execute(request)).status == "Success"
    try:
        await get_services().storage.table("Executions").get("p", "r")
    except Exception as error:
        print(type(error).__name__, file=sys.stderr)

asyncio.run(main())
print(len([name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google")]))
"""
# As where the packages are not installed.
WITHOUT_PACKAGES = """
import sys
sys.modules["opentelemetry"] = None
import function_app
"""


def python(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "APPLICATIONI"))}
    return subprocess.run(
        [sys.executable, "-c", code], env={**environ, **OFF, **settings}, capture_output=True, text=True, check=False
    )


def test_without_configuration_no_module_of_opentelemetry_is_imported_by_start_run_or_storage():
    # No storage is there: what a call to it imports counts, not what it answers.
    done = python(COUNT, **DESTINATION, AzureWebJobsStorage=AWAY)
    assert done.stdout.strip() == "0", done.stderr


def test_the_app_starts_where_the_packages_are_missing_and_nobody_asks_for_them():
    assert python(WITHOUT_PACKAGES).returncode == 0


def test_the_app_says_what_to_do_when_the_packages_are_asked_for_and_missing():
    done = python(WITHOUT_PACKAGES, **ON)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("shared.errors.SettingsError: PYTHON_ENABLE_OPENTELEMETRY is true")
    assert "-r requirements-telemetry.txt" in last


AWAY = (
    "DefaultEndpointsProtocol=http;AccountName=away;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/away;"
    "QueueEndpoint=http://127.0.0.1:9/away;TableEndpoint=http://127.0.0.1:9/away"
)
