"""The README is true: every command in it is run, in its order, and answers as it says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from dev.azurite import PROJECT
from tests.support.accounts import StorageAccount

README = (PROJECT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Run by the test itself, or what runs the test.
RUN_ALREADY = ("python3 -m dev start", "python3 -m dev test")
# What needs Azure, a subscription and its tools.
NEEDS_AZURE = re.compile(r"(\w+=\$\()?(az|azd|func) ")
READY_SECONDS = 60


@dataclass(frozen=True)
class Step:
    """A file to be written (`path` is set), or a command and what it prints: text in which `…` stands for anything."""

    text: str
    path: str | None = None
    answer: str = ""


def steps() -> Iterator[Step]:
    for language, content in BLOCK.findall(README):
        if language == "python" and (named := re.match(r"# (workspace/\S+\.py)\n", content)):
            yield Step(content, path=named[1])
        elif language == "console":
            for part in content.removeprefix("$ ").split("\n$ "):
                command, answer = _parted(part.rstrip("\n"))
                yield Step(command, answer=answer)


def _parted(part: str) -> tuple[str, str]:
    """The command, which goes on while a quote is open or a line ends with a backslash, and its answer."""
    lines = part.split("\n")
    for count in range(1, len(lines) + 1):
        command = "\n".join(lines[:count])
        if not command.endswith("\\") and command.count("'") % 2 == 0:
            return command, "\n".join(lines[count:])
    raise AssertionError(f"a command of the README has no end: {part}")


def pattern_of(answer: str) -> str:
    return "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", answer))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of the project as git has them, and what the first start would install."""
    folder = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        source = PROJECT / name
        if source.is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    for installed in (".venv", "node_modules"):
        (folder / installed).symlink_to(PROJECT / installed)
    return folder


@pytest.mark.timeout(300)
async def test_every_command_of_the_readme_does_what_it_says(clone: Path, storage_account: StorageAccount):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The tests' own settings are not what a new user has.
    environ = {name: value for name, value in os.environ.items() if name not in ("AUTH_MODE", "WORKSPACE_PATH")}
    environ |= {"AzureWebJobsStorage": storage_account.connection_string, "SHOP_API_KEY": "a-key-of-the-shop"}
    start = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dev", "start", "--port", str(port)),
        cwd=clone,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert start.stdout is not None
    said = asyncio.create_task(start.stdout.read())
    try:
        await ready(f"http://127.0.0.1:{port}/api/health")
        await asyncio.to_thread(run_steps, clone, environ, port)
    finally:
        start.send_signal(signal.SIGTERM)
        await start.wait()
        await said


async def ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def run_steps(clone: Path, environ: dict[str, str], port: int) -> None:
    """One shell runs all commands, since later ones use variables of earlier ones."""
    commands: list[Step] = []
    script = ["exec 2>&1", 'curl() { command curl --silent --show-error --fail-with-body "$@"; }']
    for step in steps():
        if step.path is not None:
            # In its place among the commands: the app picks it up while it runs.
            script.append(f"cat > {step.path} <<'END_OF_FILE'\n{step.text}END_OF_FILE")
        elif not (step.text.startswith(RUN_ALREADY) or NEEDS_AZURE.match(step.text)):
            number = len(commands)
            commands.append(step)
            command = step.text.replace("localhost:7071", f"localhost:{port}")
            script.append(f"echo; echo '@@@{number}'\n{command}\ncode=$?; echo; echo \"@@@code $code\"")
    done = subprocess.run(
        ["bash"],
        input="\n".join(script),
        cwd=clone,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    outputs = re.findall(r"^@@@\d+\n(.*?)^@@@code (\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    assert len(outputs) == len(commands), done.stdout + done.stderr
    assert len(commands) > 15
    for step, (output, code) in zip(commands, outputs, strict=True):
        # `curl --fail-with-body` ends with 22 for what the README shows as an error.
        assert code == ("22" if step.answer.startswith('{"error"') else "0"), f"{step.text}\n{output}"
        assert re.search(pattern_of(step.answer), output, re.DOTALL), f"{step.text}\n{output}"


def test_every_subcommand_that_the_readme_names_is_there():
    shown = subprocess.run(
        [sys.executable, "-m", "dev", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    named = set(re.findall(r"python3 -m dev ([a-z]+)", README))
    assert named
    assert {name for name in named if name not in shown} == set()
