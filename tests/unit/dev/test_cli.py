"""`python3 -m dev`: its commands, and its one clear line for what can't be."""

from __future__ import annotations

import argparse
import ast
import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev import local_settings
from dev.cli import main
from dev.commands import new
from dev.commands import test as test_command
from dev.local_settings import LocalSettingsError, local_environment

ROOT = Path(__file__).resolve().parents[3]


def dev(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    # Without a PATH there is no Node.js.
    return subprocess.run(
        [sys.executable, "-m", "dev", *arguments],
        cwd=ROOT,
        env={**os.environ, "AzureWebJobsStorage": "", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_old_python_is_told_so_in_syntax_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("__init__.py", "__main__.py"):
        ast.parse((ROOT / "dev" / file).read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    with pytest.raises(SystemExit, match=r"^Python 3\.11 or newer is needed; this is 3\.8$"):
        runpy.run_module("dev", run_name="__main__")


def test_a_command_that_does_not_exist_shows_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sart"])
    assert "start" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "70000", "x", "-1"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["start", f"--port={port}"])
    assert "is no port (1 to 65535)" in capsys.readouterr().err


def test_start_says_that_node_is_missing() -> None:
    done = dev("start", PATH="")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Node.js was not found: install Node.js 20 or later")
    assert done.stderr.count("\n") == 1


def test_start_says_that_the_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = dev("start", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Port {port} is taken: choose another with --port\n"


def test_run_prints_the_result_and_needs_no_node() -> None:
    done = dev("run", "hello", "name=Ada", "language=fr", PATH="")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"greeting": "Bonjour, Ada!"})
    assert "Greeting somebody" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hello"], "name"),
        (["hello", "name=Ada", "language=xx"], "language"),
        (["hello", "Ada"], "'Ada' is no parameter: write key=value"),
        (["no_such_workflow"], "no_such_workflow"),
    ],
)
def test_run_says_what_is_wrong_and_fails(arguments: list[str], said: str) -> None:
    done = dev("run", *arguments)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize("path", ["workspace", "workspace/_tests/test_a.py"])
def test_the_tests_of_workflows_are_run_by_check(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert test_command.main(argparse.Namespace(arguments=["-q", f"{path}::test_b"])) == 1
    assert capsys.readouterr().err == f"The tests of workflows are run by: python3 -m dev check {path}\n"


FLOW = """
from shared.decorators import workflow


@workflow(name="sizes")
async def sizes(context, document: dict, name: str):
    return [document["name"], len(await context.read_file(document)), name]
"""


def test_run_gives_a_local_file_for_an_uploaded_one(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "sizes_of_the_test.py").write_text(FLOW)
    (tmp_path / "offer.pdf").write_bytes(b"content")
    arguments = [f"document=@{tmp_path / 'offer.pdf'}", "name=@ada"]
    done = dev("run", "sizes", *arguments, WORKSPACE_PATH=str(tmp_path / "flows"))
    assert (done.returncode, json.loads(done.stdout)) == (0, ["offer.pdf", 7, "@ada"])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(new, "PROJECT", tmp_path)
    monkeypatch.setenv("WORKSPACE_PATH", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


def make(name: str) -> int:
    return new.main(argparse.Namespace(name=name))


def test_new_writes_a_workflow_and_a_test_that_passes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make("invoice") == 0
    said = capsys.readouterr().out
    assert "python3 -m dev run invoice name=Ada" in said
    assert "python3 -m dev check workspace/invoice.py" in said
    test = workspace / "_tests" / "test_invoice.py"
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), str(test)]
    done = subprocess.run([*command, "-o", f"pythonpath={ROOT} {workspace}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "-q", str(workspace)], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("onboard-user", "onboard_user"),
        ("msp/offboard", "msp_offboard"),
        ("../x", "x"),
        ("Invoice", "invoice"),
        ("OnboardUser", "onboard_user"),
        ("syncADUsers.py", "sync_ad_users"),
        ("Übergabe", "ubergabe"),
        ("1st", "workflow_1st"),
        ("", "workflow"),
        ("請求", "workflow"),
        ("class", "class_workflow"),
        ("json", "json_workflow"),
        ("shared", "shared_workflow"),
        ("a" * 64, "a" * 63),
    ],
)
def test_new_proposes_a_name_for_one_that_can_not_be(
    workspace: Path, name: str, suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(name) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith(f". Try: python3 -m dev new {suggestion}\n")
    assert not workspace.exists()
    assert make(suggestion) == 0


@pytest.mark.parametrize("there", ["invoice.py", "_tests/test_invoice.py"])
def test_new_overwrites_nothing(workspace: Path, there: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert make("invoice") == 1
    said = f"workspace/{there} is there already; nothing was written. Try: python3 -m dev new invoice_2\n"
    assert capsys.readouterr().err == said
    assert path.read_text() == "mine"
    assert len([file for file in workspace.rglob("*") if file.is_file()]) == 1


def test_local_settings_are_made_from_the_example_and_the_environment_wins(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    environ = local_environment({"AUTH_MODE": "platform"}, path)
    assert path.read_text() == local_settings.EXAMPLE.read_text()
    assert (environ["AUTH_MODE"], environ["WORKSPACE_RELOAD"]) == ("platform", "true")


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": []}'])
def test_local_settings_that_can_not_be_read_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(text)
    with pytest.raises(LocalSettingsError, match=r"^local\.settings\.json "):
        local_environment({}, path)
