"""The TypeScript types and the example client: up to date, strictly typed, and working against the running app."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dev.commands.types import TYPES, description, types_of
from shared.settings.environment import get_settings
from tests.support.hosted import ROOT, Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT = TYPES.parent
NODE = shutil.which("node") or "node"
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
SEED_FORM = json.loads((ROOT / "dev" / "seed_form.json").read_text())
WRONG = """
import { connect } from "./example";

const client = connect("http://localhost:7071");
client.GET("/nothing/here");
client.GET("/executions", { params: { query: { limit: "many" } } });
client.POST("/workflows/execute", { body: { workflowName: 7 } });
client.GET("/endpoints/ticket_webhook", { params: { query: { ticket: 1, event: "burnt" } } });
client.GET("/workflows").then((answer) => answer.data?.[0]?.nothing);
"""


async def node(*arguments: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        NODE, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


def copied(folder: Path) -> Path:
    shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(ROOT / "node_modules", target_is_directory=True)
    return folder


async def test_the_types_are_those_of_the_app():
    made = await asyncio.to_thread(lambda: types_of(description(get_settings().workspace_path)))
    assert made == TYPES.read_text(encoding="utf-8"), (
        "run `python3 -m dev types` and commit clients/typescript/api.d.ts"
    )


async def test_the_compiler_takes_the_example_and_refuses_what_the_api_has_not(tmp_path: Path):
    folder = copied(tmp_path / "client")
    assert await node(TSC, "-p", folder, "--noEmit") == (0, "")
    (folder / "wrong.ts").write_text(WRONG)
    settings = json.loads((folder / "tsconfig.json").read_text())
    (folder / "tsconfig.json").write_text(json.dumps({**settings, "include": ["api.d.ts", "wrong.ts"]}))
    code, output = await node(TSC, "-p", folder, "--noEmit", "--pretty", "false")
    assert code != 0
    lines = {int(line.partition("(")[2].partition(",")[0]) for line in output.splitlines() if "wrong.ts(" in line}
    assert lines == {5, 6, 7, 8, 9}


async def test_the_example_runs_follows_chooses_and_submits(app: Client, tmp_path: Path):
    made = await app.post("/forms", {**SEED_FORM, "name": "For the TypeScript client"})
    assert made.status == 201
    try:
        found = await demonstrated(app.url, copied(tmp_path / "client"))
    finally:
        await app.call("DELETE", f"/api/forms/{made.body['id']}")
    assert found["greeted"]["result"] == {"greeting": "Hello, Ada!"}
    assert (found["imported"]["status"], found["imported"]["result"]["imported"]) == ("Success", 1)
    assert [option["label"] for option in found["cities"]] == ["Berlin", "Cologne"]
    assert (found["delivery"]["status"], found["delivery"]["result"]["to"]) == ("Success", "Berlin, DE")
    assert found["refused"] == "NotFound"


async def demonstrated(url: str, folder: Path) -> Any:
    assert await node(TSC, "-p", folder, "--outDir", folder / "out") == (0, "")
    main = f'import {{ demonstrate }} from "./example.js"; console.log(JSON.stringify(await demonstrate("{url}")));'
    (folder / "out" / "main.mjs").write_text(main)
    code, output = await node(folder / "out" / "main.mjs")
    assert code == 0, output
    return json.loads(output)
