"""The set-up of the development environment: once, side by side, and plain about what is missing."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dev import setup
from dev.setup import SetupError, set_up

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stands in for node and npm with shell scripts")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and a PATH with a `node` and an `npm` that notes its calls."""
    monkeypatch.setattr(setup, "PROJECT", tmp_path)
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "NODE_MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(setup, "LOGS", tmp_path / ".dev")
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "requirements-dev.txt").write_text("")
    program(tmp_path, "node", "echo v20.1.0")
    program(tmp_path, "npm", "echo $@ >> calls; /bin/mkdir -p node_modules")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def program(project: Path, name: str, script: str) -> None:
    path = project / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def calls(project: Path) -> int:
    return len((project / "calls").read_text().splitlines())


def test_node_tools_are_installed_once_and_again_when_the_lock_file_changes(project: Path) -> None:
    for _ in range(2):
        set_up(python=False, node=True)
    assert calls(project) == 1
    (project / "package-lock.json").write_text('{"changed": true}')
    set_up(python=False, node=True)
    assert calls(project) == 2


def test_the_virtual_environment_is_made_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(python=True, node=False)
    assert "Setting up the development environment" in capsys.readouterr().out
    done = subprocess.run([setup.venv_python(), "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    assert Path(done.stdout.strip()) == project / ".venv"
    assert not setup.is_inside()
    set_up(python=True, node=False)
    assert capsys.readouterr().out == ""


def test_missing_node_is_said_before_anything_is_installed(project: Path) -> None:
    (project / "bin" / "node").unlink()
    with pytest.raises(SetupError, match=r"^Node\.js was not found: install Node\.js 20 or later"):
        set_up(python=True, node=True)
    assert not (project / ".venv").exists()


def test_node_is_not_needed_by_what_does_without(project: Path) -> None:
    (project / "bin" / "node").unlink()
    set_up(python=False, node=False)


@pytest.mark.parametrize(("says", "shown"), [("echo v18.19.0", "v18.19.0"), ("true", "nothing")])
def test_an_old_node_is_named_with_its_version(project: Path, says: str, shown: str) -> None:
    program(project, "node", says)
    with pytest.raises(SetupError, match=f"Node.js 20 or later is needed; `node --version` says {shown}"):
        set_up(python=False, node=True)


def test_missing_npm_is_said(project: Path) -> None:
    (project / "bin" / "npm").unlink()
    with pytest.raises(SetupError, match="npm was not found"):
        set_up(python=False, node=True)


def test_a_failed_installation_says_why_names_its_log_and_is_tried_again(project: Path) -> None:
    program(
        project, "npm", "echo npm error code EAI; echo npm error the registry is away; echo npm error A log; exit 1"
    )
    with pytest.raises(SetupError) as caught:
        set_up(python=False, node=True)
    expected = "Setting up Node.js tools failed: npm error the registry is away (all of it in .dev/setup-nodejs.log)"
    assert str(caught.value) == expected
    assert "npm error code EAI" in (project / ".dev" / "setup-nodejs.log").read_text()
    program(project, "npm", "/bin/mkdir -p node_modules")
    set_up(python=False, node=True)


def test_a_python_without_its_venv_module_is_told_what_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        project, "python", "echo The virtual environment was not created because ensurepip is not available; exit 1"
    )
    monkeypatch.setattr(sys, "executable", str(project / "bin" / "python"))
    with pytest.raises(SetupError, match=r"install the package python3-venv \(all of it in .dev/setup-python.log\)"):
        set_up(python=True, node=False)


def test_when_one_installation_fails_the_other_is_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(project, "npm", "echo $$ > npm.pid; exec /bin/sleep 60")
    program(project, "python", "while [ ! -s npm.pid ]; do :; done; exit 1")
    monkeypatch.setattr(sys, "executable", str(project / "bin" / "python"))
    with pytest.raises(SetupError, match="Python packages failed: no output"):
        set_up(python=True, node=True)
    npm = int((project / "npm.pid").read_text())
    with pytest.raises(ProcessLookupError):
        setup.os.kill(npm, 0)


def test_two_set_ups_at_the_same_time_install_once(project: Path) -> None:
    program(project, "npm", "/bin/sleep 0.3; echo $@ >> calls; /bin/mkdir -p node_modules")
    code = (
        "import sys; from pathlib import Path; from dev import setup; project = Path(sys.argv[1]);"
        "setup.PROJECT = project; setup.LOGS = project / '.dev'; setup.NODE_MODULES = project / 'node_modules';"
        "setup.set_up(python=False, node=True)"
    )
    root = Path(__file__).resolve().parents[3]
    both = [subprocess.Popen([sys.executable, "-c", code, str(project)], cwd=root) for _ in range(2)]
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    assert calls(project) == 1


@pytest.fixture
def environment(project: Path) -> Path:
    """The project with a virtual environment whose Python notes its calls, and a workspace."""
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$4" = --version ] || [ "$3" = --version ] || echo "$@" >> calls\n')
    python.chmod(0o755)
    (project / "workspace").mkdir()
    set_up(python=True, node=False)
    (project / "calls").write_text("")
    return project / "workspace"


def test_what_workflows_need_is_installed_once_and_again_when_it_changes(
    project: Path, environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(python=True, node=False, workspace=environment)
    assert calls(project) == 0
    requirements = environment / "requirements.txt"
    for text in ("httpx\n", "httpx\nrich\n"):
        requirements.write_text(text)
        for _ in range(2):
            set_up(python=True, node=False, workspace=environment)
    (first, second) = (project / "calls").read_text().splitlines()
    # With the platform's own, so that neither breaks the other in silence.
    assert first == second
    assert first.endswith(f" -r requirements-dev.txt -r {requirements}")
    assert "Workspace packages: installing requirements.txt of workspace/ into .venv" in capsys.readouterr().out


def test_what_the_platforms_tests_need_is_installed_for_them_alone_and_once(project: Path, environment: Path) -> None:
    assert environment
    for _ in range(2):
        set_up(python=True, node=False, tests=True)
    set_up(python=True, node=False)
    (only,) = (project / "calls").read_text().splitlines()
    assert only.endswith(" -r requirements-test.txt")


def test_what_can_not_be_installed_for_workflows_is_said(project: Path, environment: Path) -> None:
    (environment / "requirements.txt").write_text("no-such-package-as-this\n")
    python = project / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho Collecting no-such\necho ERROR: No matching distribution found; exit 1\n")
    with pytest.raises(SetupError, match=r"^Setting up Workspace packages failed: ERROR: No matching distribution"):
        set_up(python=True, node=False, workspace=environment)


def test_a_long_installation_tells_what_it_is_at(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "_TELL_SECONDS", 0.0)
    program(project, "npm", "echo Collecting things; /bin/sleep 0.3; /bin/mkdir -p node_modules")
    set_up(python=False, node=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Setting up the development environment (once; ")
    assert lines[1] == "  Node.js tools: installing into node_modules"
    assert "  Node.js tools: 0 s, Collecting things" in lines
    assert lines[-1] == "  Node.js tools: done in 0 s"
