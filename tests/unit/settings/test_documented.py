"""docs/settings.md names every setting that the code reads, and every value of host.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.documentation import ROOT, section
from tests.support.read_settings import read_by_the_code

PAGE = ROOT / "docs" / "settings.md"


def table(heading: str) -> Iterator[list[str]]:
    """The rows of the first table below a heading."""
    rows = re.search(r"(?:^\|.*\n)+", section(PAGE, heading), re.MULTILINE)
    assert rows is not None
    for row in rows[0].splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)


def test_the_table_of_settings_is_what_the_code_reads():
    documented = {name for row in table("## Settings") for name in re.findall(r"`(\w+)`", row[0])}
    assert documented == read_by_the_code()


def test_the_example_of_local_settings_has_only_what_is_documented_or_core_tools_own():
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    assert set(example["Values"]) - {"FUNCTIONS_WORKER_RUNTIME"} <= read_by_the_code()


def test_the_table_of_host_json_has_each_of_its_values_and_a_reason():
    host = dict(leaves(json.loads((ROOT / "host.json").read_text(encoding="utf-8"))))
    documented = {path.strip("`"): value.strip("`") for path, value, reason in table("## host.json") if reason}
    assert documented == host
