"""The README names every setting that the code reads, and every value of host.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.settings import HOSTED_MARKS, load_settings
from shared.storage_settings import read_storage_settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STORAGE = "AzureWebJobsStorage"


class Recorded(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def table(heading: str) -> Iterator[list[str]]:
    """The rows of the first table below a heading."""
    section = README.split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert rows is not None
    for row in rows[0].splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)


def read_by_the_code() -> set[str]:
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


def test_the_readmes_table_of_settings_is_what_the_code_reads():
    documented = {name for row in table("## Configuration") for name in re.findall(r"`(\w+)`", row[0])}
    assert documented == read_by_the_code()


def test_the_example_of_local_settings_has_only_what_is_documented_or_core_tools_own():
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    assert set(example["Values"]) - {"FUNCTIONS_WORKER_RUNTIME"} <= read_by_the_code()


def test_the_readmes_table_of_host_json_has_each_of_its_values_and_a_reason():
    host = dict(leaves(json.loads((ROOT / "host.json").read_text(encoding="utf-8"))))
    documented = {path.strip("`"): value.strip("`") for path, value, reason in table("### host.json") if reason}
    assert documented == host
