"""Schemathesis against a running app: requests made from the API's description, as several callers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.hosted import ROOT, Client, hosted_app

CONFIG = ROOT / "tests" / "support" / "schemathesis.toml"
SEED_FORM = json.loads((ROOT / "dev" / "seed_form.json").read_text())
_ANONYMOUS = {"X-Dev-Principal": "anonymous"}
_USER = {"X-Dev-Principal": json.dumps({"user_id": "u1", "email": "u1@example.com", "roles": []})}
# In development mode who brings no credentials is an administrator, so that leaving them out proves nothing.
_AUTH_UNCHECKED = ("--exclude-checks", "ignored_auth")
# With made-up credentials beside the real one a call is let in, and Schemathesis takes that for a mistake.
_ONLY_THE_KEY = ("--generation-with-security-parameters", "false")


@dataclass(frozen=True, slots=True)
class FuzzedApp:
    """The app, and what is there for the requests to find."""

    client: Client
    key: str
    form_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class FuzzRun:
    """What a run came to: how many requests were made, and all that Schemathesis said."""

    passed: bool
    requests: int
    report: str


@asynccontextmanager
async def fuzzed_app(connection: str) -> AsyncIterator[FuzzedApp]:
    """The project's app with the examples, a form, a key and an execution."""
    async with hosted_app(connection, ENDPOINT_RATE_PER_MINUTE="1000000") as hosted:
        client = hosted.client
        key = await client.post("/workflow-keys", {"description": "fuzzing"})
        form = await client.post("/forms", SEED_FORM)
        execution = await client.post("/workflows/hello/execute", {"inputData": {"name": "Ada"}})
        yield FuzzedApp(client, key.body["rawKey"], form.body["id"], execution.body["executionId"])


def callers(app: FuzzedApp) -> dict[str, tuple[Mapping[str, str], Sequence[str]]]:
    """Headers and options of each caller."""
    return {
        "admin": ({}, _AUTH_UNCHECKED),
        "user": (_USER, _AUTH_UNCHECKED),
        "anonymous": (_ANONYMOUS, ()),
        "key": ({**_ANONYMOUS, "x-functions-key": app.key}, _ONLY_THE_KEY),
    }


async def fuzz(app: FuzzedApp, caller: str, *options: str) -> FuzzRun:
    """All checks and phases, as this caller."""
    headers, own = callers(app)[caller]
    sent = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    command = ["-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG), "run"]
    command += [f"{app.client.url}/api/openapi.json", "--url", f"{app.client.url}/api"]
    command += ["--continue-on-failure", *own, *sent, *options]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env={**os.environ, "FUZZ_FORM_ID": app.form_id, "FUZZ_EXECUTION_ID": app.execution_id},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = output.decode("utf-8", "replace")
    found = re.search(r"(\d+) generated", report)
    return FuzzRun(process.returncode == 0, int(found[1]) if found else 0, report)
