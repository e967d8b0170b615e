"""`python3 -m dev types`: writes the API's types for TypeScript, from its description."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dev.setup import NODE_MODULES, PROJECT

TYPES = PROJECT / "clients" / "typescript" / "api.d.ts"
_ABOUT = "/** Written by `python3 -m dev types` from the API's description; changes here are lost. */\n"


class TypesError(Exception):
    """The types can't be made; the message says why."""


def main(_: argparse.Namespace) -> int:
    """Writes the file; 0 when it could."""
    try:
        text = types_of(description())
    except TypesError as error:
        print(error, file=sys.stderr)
        return 1
    TYPES.write_text(text, encoding="utf-8")
    print(f"Wrote {TYPES.relative_to(PROJECT)}")
    return 0


def description(workspace: Path = PROJECT / "workspace") -> dict[str, Any]:
    """The API's description, with the endpoints of a workspace.

    Args:
        workspace: the folder; left out, the project's.

    Raises:
        TypesError: a file of the workspace can't be loaded.
    """
    # Settings of the person's own shell must not decide what is written.
    script = "import json, sys; from dev.commands.types import describe; json.dump(describe(), sys.stdout)"
    settings = {"WORKSPACE_PATH": str(workspace), "PYTHONDONTWRITEBYTECODE": "1"}
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME_PATH", "AUTH_MODE")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=PROJECT, env=environ | settings, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode != 0:
        raise TypesError(f"The API can't be described:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def describe() -> dict[str, Any]:
    """As `description`, in this process."""
    import functions.http
    from functions.openapi.document import document_of
    from shared.discovery import get_workspace
    from shared.registry import get_registry

    for found in pkgutil.iter_modules(functions.http.__path__):
        importlib.import_module(f"functions.http.{found.name}")
    workspace = get_workspace()
    workspace.load()
    if workspace.load_errors:
        raise TypesError("; ".join(f"{error.file}: {error.reason}" for error in workspace.load_errors))
    return document_of([found for found in get_registry().get_all_workflows() if found.endpoint_enabled])


def types_of(document: dict[str, Any]) -> str:
    """The TypeScript declarations of a description.

    Raises:
        TypesError: openapi-typescript is not installed, or can't read it.
    """
    node = shutil.which("node")
    generator = NODE_MODULES / "openapi-typescript" / "bin" / "cli.js"
    if node is None or not generator.exists():
        raise TypesError("openapi-typescript is not installed: `python3 -m dev types` does that")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "openapi.json", Path(folder) / "api.d.ts"
        source.write_text(json.dumps(document), encoding="utf-8")
        # A field with a default may be left out of a request; answers name theirs as required.
        options = ["--default-non-nullable=false", "--output", str(target)]
        command = [node, str(generator), str(source), *options]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode != 0 or not target.exists():
            raise TypesError(f"openapi-typescript failed:\n{(done.stderr or done.stdout).strip()}")
        return _ABOUT + target.read_text(encoding="utf-8").replace("\r\n", "\n")
