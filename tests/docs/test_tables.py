"""Tables of the documentation that list what the code has: nothing is missing, and nothing of it is gone."""

from __future__ import annotations

import re
import tomllib
from typing import get_args

from functions.http.routes import ROUTES
from shared.errors import PlatformError
from shared.models import ExecutionStatus
from shared.models.forms import FieldType
from tests.support.described import document
from tests.support.documentation import CONTRIBUTING, ROOT, blocks, read, section

CALLING = ROOT / "docs" / "calling.md"
# Script and style of the page that is listed.
BELONGS_TO_A_PAGE = {"docs/{asset}"}


def test_calling_it_lists_every_route():
    document()  # imports whatever declares routes
    shown: set[tuple[str, str]] = set()
    for cell in re.findall(r"^\| (`[^|]*) \|", read(CALLING), re.MULTILINE):
        for methods, path in re.findall(r"`([A-Z ]+) /api/([^`?]+)", cell):
            shown |= {(method, path) for method in methods.split()}
    assert shown == {(route.method, route.path) for route in ROUTES if route.path not in BELONGS_TO_A_PAGE}


def codes(error: type[PlatformError]) -> set[tuple[str, str]]:
    """Code and status of an error and of those below it."""
    return {(error.code, str(error.status))}.union(*(codes(child) for child in error.__subclasses__()))


def test_calling_it_explains_every_error():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", section(CALLING, "## Errors"), re.MULTILINE)
    assert set(rows) == codes(PlatformError)


def test_calling_it_explains_every_status_of_an_execution():
    rows = re.findall(r"^\| `(\w+)` \|", section(CALLING, "## What a run answers"), re.MULTILINE)
    assert rows == [str(status) for status in ExecutionStatus]


def test_forms_explains_every_type_of_a_field():
    rows = re.findall(r"^\| (`[^|]*) \|", section(ROOT / "docs" / "forms.md", "## Field types"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) - {"multiple"} == set(get_args(FieldType))


def test_every_action_of_the_audit_log_is_explained():
    written: set[str] = set()
    for path in (ROOT / "shared").rglob("*.py"):
        written |= set(re.findall(r'\(\s*principal,\s*"([a-z]+\.[a-z]+)"', read(path)))
    rows = re.findall(r"^\| (`[^|]*`) \|", read(ROOT / "docs" / "audit.md"), re.MULTILINE)
    assert set(re.findall(r"`([\w.]+)`", " ".join(rows))) == written


def test_contributing_shows_the_layers_that_import_linter_holds():
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    held = [{name.strip().removeprefix("shared.") for name in layer.split("|")} for layer in layers]
    picture = next(content for language, content in blocks(CONTRIBUTING) if not language and "functions" in content)
    shown = [set(re.split(r" \| ", re.split(r" {3,}", line)[0])) for line in picture.splitlines()]
    assert shown == held
