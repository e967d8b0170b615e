"""Makes the development environment, once: a virtual environment in .venv and the Node.js tools in node_modules.

A stamp in each holds what was installed; while the requirement files are as they were then, there is nothing to do.
Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
NODE_MODULES = PROJECT / "node_modules"
LOGS = PROJECT / ".dev"
NODE_NEEDED = 20
_STAMP = ".setup-stamp"
_LOOK_SECONDS = 0.1
# The lines of pip's and npm's output that name a reason.
_SAYS_WHY = re.compile(r"ERROR: |npm error (?!code|errno|syscall|path|dest|A complete log)")


class SetupError(Exception):
    """The environment can't be made; the message is one line for the user."""


class SetupJob:
    """An installation under way; its output goes to a log file below .dev.

    Args:
        name: what is being installed.
        steps: the commands, one after the other.
        stamp_file: written when all have worked.
        stamp: what it holds then.
    """

    def __init__(self, name: str, steps: Sequence[Sequence[str]], stamp_file: Path, stamp: str) -> None:
        self._name = name
        self._steps = list(steps)
        self._stamp_file = stamp_file
        self._stamp = stamp
        self._log = LOGS / f"setup-{name.split()[0].lower().replace('.', '')}.log"
        self._log.write_bytes(b"")
        self._process = self._begin()

    def is_done(self) -> bool:
        """Whether all steps are through; begins the next one when one has ended.

        Raises:
            SetupError: a step failed.
        """
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise SetupError(self._reason())
        if self._steps:
            self._process = self._begin()
            return False
        self._stamp_file.write_text(self._stamp, encoding="utf-8")
        return True

    def give_up(self) -> None:
        """Ends what is still running."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _begin(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._steps.pop(0),
                cwd=PROJECT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # An installation that outlives this process holds the lock until it is done.
                close_fds=False,
            )

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if _SAYS_WHY.match(line)] or [
            line.strip() for line in lines if line.strip()
        ]
        reason = said[0] if said else "no output"
        if any("ensurepip" in line or "No module named venv" in line for line in lines):
            reason = "Python's venv module is incomplete here; on Debian and Ubuntu install the package python3-venv"
        return f"Setting up {self._name} failed: {reason} (all of it in {self._log.relative_to(PROJECT)})"


def set_up(*, python: bool, node: bool) -> None:
    """Makes what is asked for and not there yet, side by side.

    Raises:
        SetupError: something is missing on this machine, or an installation failed.
    """
    if not (python or node):
        return
    with _one_at_a_time():
        _install(python=python, node=node)


def _install(*, python: bool, node: bool) -> None:
    jobs: list[SetupJob] = []
    try:
        # Node.js first: when it is missing, that is said before anything takes its time.
        for wanted, begin in ((node, _begin_node), (python, _begin_python)):
            job = begin() if wanted else None
            if job is not None:
                jobs.append(job)
        if jobs:
            print("Setting up the development environment (once; about a minute)", flush=True)
        pending = list(jobs)
        while pending:
            pending = [job for job in pending if not job.is_done()]
            time.sleep(_LOOK_SECONDS)
    finally:
        for job in jobs:
            job.give_up()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands begun at the same time must not install into the same folders."""
    LOGS.mkdir(exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (LOGS / "setup.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another command that sets up the environment", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv_python() -> Path:
    """The virtual environment's Python."""
    return VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_inside() -> bool:
    """Whether this process runs in the virtual environment."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def _begin_python() -> SetupJob | None:
    stamp = _hash(*sorted(PROJECT.glob("requirements*.txt")))
    if _is_current(VENV, stamp) and venv_python().exists():
        return None
    pip = [str(venv_python()), "-m", "pip"]
    steps = [[*pip, "install", "--quiet", "--disable-pip-version-check", "-r", "requirements-dev.txt"]]
    if not _works([*pip, "--version"]):
        steps.insert(0, [sys.executable, "-m", "venv", "--clear", str(VENV)])
    return SetupJob("Python packages", steps, VENV / _STAMP, stamp)


def _begin_node() -> SetupJob | None:
    _check_node()
    stamp = _hash(PROJECT / "package-lock.json")
    if _is_current(NODE_MODULES, stamp):
        return None
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError("npm was not found: it comes with Node.js; see that `npm` is on the PATH")
    return SetupJob("Node.js tools", [[npm, "ci", "--no-audit", "--no-fund"]], NODE_MODULES / _STAMP, stamp)


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


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _hash(*files: Path) -> str:
    digest = hashlib.sha256(os.name.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_current(folder: Path, stamp: str) -> bool:
    try:
        return (folder / _STAMP).read_text(encoding="utf-8") == stamp
    except FileNotFoundError:
        return False
