"""What the house promises about its own code, checked over the syntax tree."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *sorted((ROOT / "shared").rglob("*.py")),
    *sorted((ROOT / "functions").rglob("*.py")),
    ROOT / "function_app.py",
]


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def places(found: dict[str, list[int]]) -> set[str]:
    return set(found)


def test_only_the_engine_calls_a_registered_function():
    found: dict[str, list[int]] = {}
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Call):
                # Called, or handed to something that will call it.
                handed = [node.func, *node.args, *(keyword.value for keyword in node.keywords)]
                if any(isinstance(part, ast.Attribute) and part.attr == "function" for part in handed):
                    found.setdefault(path.relative_to(ROOT).as_posix(), []).append(node.lineno)
    readers = {  # these look at a function, and call something else with it
        "shared/registry.py",
        "shared/decorators.py",
        "shared/discovery/names.py",
        "shared/parameters/validation.py",
        "shared/parameters/json_schema.py",
    }
    assert places(found) - readers == {"shared/engine.py"}


def test_only_scripts_are_executed_and_only_in_their_room():
    found: dict[str, list[int]] = {}
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval"):
                found.setdefault(path.relative_to(ROOT).as_posix(), []).append(node.lineno)
    assert places(found) == {"shared/scripts.py"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_azures_libraries_are_known_only_where_they_belong(path: Path):
    # import-linter holds the layers, but can't see into the namespace package `azure`.
    place = path.relative_to(ROOT).as_posix()
    azure = {name for name in imported(path) if name.split(".")[0] == "azure"}
    if place.startswith("shared/storage/azure/"):
        assert not any(name.startswith("azure.functions") for name in azure)
    elif place in ("shared/settings/identity.py", "shared/configuration/secrets.py"):
        assert not any(name.startswith(("azure.functions", "azure.data", "azure.storage")) for name in azure)
    elif place == "shared/telemetry/export.py":
        assert all(name.startswith("azure.monitor") for name in azure)
    elif place.startswith("shared/"):
        assert azure == set()
    else:
        assert all(name.startswith("azure.functions") for name in azure)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_do_nothing_at_import_but_define(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno} prints"
    for statement in tree.body:
        for node in ast.walk(statement) if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)) else ():
            text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            assert text not in ("os.environ", "os.getenv"), f"line {statement.lineno} reads the environment"


def test_the_app_imports_nothing_heavy_before_it_is_used():
    code = (
        "import json, os, sys; os.environ.setdefault('AzureWebJobsStorage', 'UseDevelopmentStorage=true');"
        "import function_app; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    heavy = {
        "aiohttp",
        "azure.identity",
        "azure.storage.blob",
        "azure.storage.queue",
        "azure.data.tables",
        "azure.core",
        "opentelemetry",
    }
    assert loaded & heavy == set()


HANDLERS = sorted((ROOT / "shared" / "handlers").glob("*_handlers.py"))


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.name)
def test_handlers_import_helpers_and_never_each_other(path: Path):
    others = {f"shared.handlers.{other.stem}" for other in HANDLERS} - {f"shared.handlers.{path.stem}"}
    assert imported(path) & others == set()


@pytest.mark.parametrize(
    "path", sorted(set((ROOT / "shared" / "handlers").glob("*.py")) - set(HANDLERS)), ids=lambda path: path.name
)
def test_no_helper_imports_a_handler(path: Path):
    assert not any(name.startswith("shared.handlers.") and "_handlers" in name for name in imported(path))
