"""What an editor knows in a workflow file: decorated functions keep their signatures, and the context has its types.

The shipped examples have no errors there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dev.examples import copy_examples

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"

FILE = """
from typing import reveal_type

from shared.context import ExecutionContext
from shared.decorators import data_provider, param, workflow


@workflow(name="invoice", execution_mode="sync")
@param("customer", type="string", required=True)
async def invoice(context: ExecutionContext, customer: str, days: int = 14) -> dict[str, int]:
    reveal_type(context.org_id)
    reveal_type(context.attempt)
    reveal_type(await context.get_secret("key"))
    context.report_progress(0.5, "half")
    return {customer: days}


@data_provider(name="cities")
def cities(country: str) -> list[str]:
    return [country]


reveal_type(invoice)
reveal_type(cities)
cities(7)
workflow(name="x", execution_mode="later")
"""


@pytest.mark.skipif(not PYRIGHT.exists(), reason="pyright is not installed: `python3 -m dev test` does that")
def test_an_editor_sees_the_types_of_workflows_and_of_their_context(tmp_path: Path):
    assert (ROOT / "shared" / "py.typed").exists()
    (tmp_path / "flows.py").write_text(FILE)
    copy_examples(tmp_path)
    settings = {"strict": ["flows.py"], "typeCheckingMode": "standard", "extraPaths": [str(ROOT)],
                "venvPath": str(ROOT), "venv": ".venv", "pythonVersion": "3.11"}  # fmt: skip
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [shutil.which("node") or "node", str(PYRIGHT), "--outputjson", "-p", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    told = [entry["message"] for entry in found if entry["severity"] == "information"]
    assert [message.partition(" is ")[2].strip('"') for message in told] == [
        "str | None",
        "int",
        "str",
        "(context: ExecutionContext, customer: str, days: int = 14) -> CoroutineType[Any, Any, dict[str, int]]",
        "(country: str) -> list[str]",
    ]
    lines = FILE.splitlines()
    errors = [entry for entry in found if entry["severity"] == "error"]
    assert {Path(entry["file"]).name for entry in errors} == {"flows.py"}
    wrong = {lines[entry["range"]["start"]["line"]] for entry in errors}
    assert wrong == {"cities(7)", 'workflow(name="x", execution_mode="later")'}
