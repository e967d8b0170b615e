"""Makes the development environment, once: a virtual environment in .venv and the Node.js tools in node_modules.

A stamp holds what was installed; while the requirement files are as they were then, there is nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOGS = PROJECT / ".dev"
NODE_NEEDED = 20
_STAMP = ".setup-stamp"


class SetupError(Exception):
    """The environment can't be made; the message is for the user."""


class SetupJob:
    """An installation under way.

    Args:
        name: what is being installed.
        steps: the commands, one after the other.
        folder: where the stamp goes when all have worked.
        stamp: what it holds.
    """

    def __init__(self, name: str, steps: list[list[str]], folder: Path, stamp: str) -> None:
        print(f"Setting up {name} (once; about a minute)", flush=True)
        LOGS.mkdir(exist_ok=True)
        self._name = name
        self._steps = steps
        self._folder = folder
        self._stamp = stamp
        self._log = LOGS / f"setup-{name.split()[0].lower().replace('.', '')}.log"
        self._log.write_bytes(b"")
        self._process = self._begin(steps.pop(0))

    def wait(self) -> None:
        """Waits until it is done.

        Raises:
            SetupError: a step failed.
        """
        while True:
            if self._process.wait() != 0:
                raise SetupError(self._reason())
            if not self._steps:
                break
            self._process = self._begin(self._steps.pop(0))
        (self._folder / _STAMP).write_text(self._stamp, encoding="utf-8")

    def _begin(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        errors = [line.strip() for line in lines if "error" in line.lower()] or [line for line in lines if line.strip()]
        last = errors[-1] if errors else "no output"
        where = self._log.relative_to(PROJECT)
        if "ensurepip" in "".join(lines):
            last = "Python's venv module is incomplete here; on Debian and Ubuntu install the package python3-venv"
        return f"Setting up {self._name} failed: {last} (all of it in {where})"


def venv_python() -> Path:
    """The virtual environment's Python."""
    return VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def ensure_python() -> SetupJob | None:
    """Begins to make the virtual environment; None when it is there."""
    stamp = _hash(PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt")
    if _is_current(VENV, stamp) and venv_python().exists():
        return None
    pip = [str(venv_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[sys.executable, "-m", "venv", "--clear", str(VENV)], [*pip, "-r", "requirements-dev.txt"]]
    if venv_python().exists():
        steps = steps[1:]
    return SetupJob("Python packages", steps, VENV, stamp)


def ensure_node() -> SetupJob | None:
    """Begins to install the Node.js tools; None when they are there.

    Raises:
        SetupError: Node.js or npm is missing, or Node.js is too old.
    """
    _check_node()
    stamp = _hash(PROJECT / "package-lock.json")
    folder = PROJECT / "node_modules"
    if _is_current(folder, stamp):
        return None
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError("npm was not found: it comes with Node.js; see that `npm` is on the PATH")
    return SetupJob("Node.js tools", [[npm, "ci", "--no-audit", "--no-fund"]], folder, stamp)


def _check_node() -> None:
    node = shutil.which("node")
    if node is None:
        raise SetupError(
            f"Node.js was not found: install Node.js {NODE_NEEDED} or later, and see that `node` is on the PATH"
        )
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = found.lstrip("v").partition(".")[0]
    if not major.isdecimal() or int(major) < NODE_NEEDED:
        raise SetupError(f"Node.js {NODE_NEEDED} or later is needed; `node --version` says {found or 'nothing'}")


def _hash(*files: Path) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}{os.name}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_current(folder: Path, stamp: str) -> bool:
    try:
        return (folder / _STAMP).read_text(encoding="utf-8") == stamp
    except FileNotFoundError:
        return False
