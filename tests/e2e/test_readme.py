"""README.md and docs/ are true: every command in them is run, in reading order, and answers as it says.

One app serves all pages. Each page has a shell of its own, so that a reader can begin with any of them.
"""

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
from dev.examples import is_shipped
from tests.support.accounts import StorageAccount
from tests.support.documentation import CONTRIBUTING, blocks, name_of, pages, read

# Run by the test itself, or what runs the test.
RUN_ALREADY = ("python3 -m dev start", "python3 -m dev test", "python3 -m dev check")
# What needs Azure, a subscription and its tools.
NEEDS_AZURE = re.compile(r"(\w+=\$\()?(az|azd|func) ")
READY_SECONDS = 60


@dataclass(frozen=True)
class Step:
    """A file to be written (`path` is set), or a command and what it prints: text in which `…` stands for anything."""

    text: str
    path: str | None = None
    answer: str = ""


def steps(page: Path) -> Iterator[Step]:
    for language, content in blocks(page):
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
    raise AssertionError(f"a command of the documentation has no end: {part}")


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
        if source.is_file() and is_shipped(name) and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    for installed in (".venv", "node_modules"):
        (folder / installed).symlink_to(PROJECT / installed)
    return folder


@pytest.mark.timeout(300)
async def test_every_command_of_the_documentation_does_what_it_says(clone: Path, storage_account: StorageAccount):
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
        ran = [await asyncio.to_thread(run_steps, page, clone, environ, port) for page in pages()]
        assert sum(ran) > 25
        await asyncio.to_thread(check_what_a_reader_has, clone, environ)
    finally:
        start.send_signal(signal.SIGTERM)
        await start.wait()
        await said


def check_what_a_reader_has(clone: Path, environ: dict[str, str]) -> None:
    """All that the pages have had a reader write, workflows and their tests, passes `dev check`."""
    command = [sys.executable, "-m", "dev", "check"]
    done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("greeting", "invoice"):
        assert (clone / "workspace" / f"{name}.py").exists()
    assert " passed in " in done.stdout


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


def run_steps(page: Path, clone: Path, environ: dict[str, str], port: int) -> int:
    """Runs the commands of a page in one shell, since later ones use variables of earlier ones; gives their number."""
    commands: list[Step] = []
    script = ["exec 2>&1", 'curl() { command curl --silent --show-error --fail-with-body "$@"; }']
    for step in steps(page):
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
        timeout=120,
        check=False,
    )
    outputs = re.findall(r"^@@@\d+\n(.*?)^@@@code (\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    assert len(outputs) == len(commands), f"{name_of(page)}\n{done.stdout}{done.stderr}"
    for step, (output, code) in zip(commands, outputs, strict=True):
        # `curl --fail-with-body` ends with 22 for what a page shows as an error.
        expected = "22" if step.answer.startswith('{"error"') else "0"
        assert code == expected, f"{name_of(page)}: {step.text}\n{output}"
        assert re.search(pattern_of(step.answer), output, re.DOTALL), f"{name_of(page)}: {step.text}\n{output}"
    return len(commands)


def test_every_subcommand_that_the_documentation_names_is_there():
    shown = subprocess.run(
        [sys.executable, "-m", "dev", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    text = "\n".join(read(page) for page in (*pages(), CONTRIBUTING))
    named = set(re.findall(r"python3 -m dev ([a-z]+)", text))
    assert named
    assert {name for name in named if name not in shown} == set()
