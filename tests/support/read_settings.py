"""The settings that the code reads, found by looking on while it does."""

from __future__ import annotations

from typing import Any

from shared.settings.environment import HOSTED_MARKS, load_settings
from shared.settings.storage_account import read_storage_settings

STORAGE = "AzureWebJobsStorage"


class Recorded(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def read_by_the_code() -> set[str]:
    """Their names."""
    environ = Recorded(PYTHON_ENABLE_OPENTELEMETRY="true", OTEL_EXPORTER_OTLP_ENDPOINT="x", AUTH_MODE="development")
    load_settings(environ)
    # Found by their prefix: those that are taken are told from others by what they lead to.
    whole = {f"{STORAGE}__{service}ServiceUri": f"https://{service}.local" for service in ("blob", "queue", "table")}
    other = {f"{STORAGE}__accountName": "account", f"{STORAGE}__credential": "managedidentity"}
    client = {f"{STORAGE}__clientId": "00000000-0000-0000-0000-000000000000"}
    for settings in (whole, {**other, **client}):
        problems: list[str] = []
        assert read_storage_settings(settings, problems) is not None, problems
    return {*environ.asked, *HOSTED_MARKS, *whole, *other, *client, STORAGE}
