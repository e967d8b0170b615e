"""Makes the development environment, once: a virtual environment in .venv and the Node.js tools in node_modules, and
in .venv also the packages of the user's workflows.

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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

# The locks of files differ between systems: macOS and Linux have one of these, Windows the other.
try:
    import fcntl
except ImportError:
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
NODE_MODULES = PROJECT / "node_modules"
LOGS = PROJECT / ".dev"
NODE_NEEDED = 20
WORKSPACE_REQUIREMENTS = "requirements.txt"
_STAMP = ".setup-stamp"
_TESTS_STAMP = ".setup-stamp-tests"
_WORKSPACE_STAMP = ".workspace-stamp"
_LOOK_SECONDS = 0.1
# An installation that says nothing for longer than this looks like one that hangs.
_TELL_SECONDS = 5.0
# What pip says of a package that it is busy with.
_BUSY_WITH = re.compile(
    r"^\s*(Collecting|Downloading|Building wheels?|Installing collected packages)[: ]", re.MULTILINE
)
_LONGEST_SHOWN = 60
# The lines of pip's and npm's output that name a reason.
_SAYS_WHY = re.compile(r"ERROR: |npm error (?!code|errno|syscall|path|dest|A complete log)")


class SetupError(Exception):
    """The environment can't be made; the message is one line for the user."""


class Step(NamedTuple):
    """A command of an installation, and what it does in words."""

    what: str
    command: Sequence[str]


class SetupJob:
    """An installation under way; its output goes to a log file below .dev, and standard output gets its progress.

    Args:
        name: what is being installed.
        steps: the commands, one after the other.
        stamp_file: written when all have worked.
        stamp: what it holds then.
    """

    def __init__(self, name: str, steps: Sequence[Step], stamp_file: Path, stamp: str) -> None:
        self._name = name
        self._steps = list(steps)
        self._stamp_file = stamp_file
        self._stamp = stamp
        self._log = LOGS / f"setup-{name.split()[0].lower().replace('.', '')}.log"
        self._log.write_bytes(b"")
        self._began = self._told = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begins the first step."""
        self._began = time.monotonic()
        self._process = self._begin()

    def is_done(self) -> bool:
        """Whether all steps are through; begins the next one when one has ended, and tells now and then what is done.

        Raises:
            SetupError: a step failed.
        """
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._tell(f"{time.monotonic() - self._began:.0f} s{self._busy_with()}")
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise SetupError(self._reason())
        if self._steps:
            self._process = self._begin()
            return False
        self._stamp_file.write_text(self._stamp, encoding="utf-8")
        self._tell(f"done in {time.monotonic() - self._began:.0f} s")
        return True

    def give_up(self) -> None:
        """Ends what is still running."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _begin(self) -> subprocess.Popen[bytes]:
        what, command = self._steps.pop(0)
        self._tell(what)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=PROJECT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # An installation that outlives this process holds the lock until it is done.
                close_fds=False,
            )

    def _tell(self, what: str) -> None:
        self._told = time.monotonic()
        print(f"  {self._name}: {what}", flush=True)

    def _busy_with(self) -> str:
        """The line of the log that names the latest package."""
        lines = [
            line.strip()
            for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            if _BUSY_WITH.match(line)
        ]
        if not lines:
            return ""
        return f", {lines[-1][:_LONGEST_SHOWN]}{'…' if len(lines[-1]) > _LONGEST_SHOWN else ''}"

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if _SAYS_WHY.match(line)] or [
            line.strip() for line in lines if line.strip()
        ]
        reason = said[0] if said else "no output"
        if any("ensurepip" in line or "No module named venv" in line for line in lines):
            reason = "Python's venv module is incomplete here; on Debian and Ubuntu install the package python3-venv"
        return f"Setting up {self._name} failed: {reason} (all of it in {self._log.relative_to(PROJECT)})"


def set_up(*, python: bool, node: bool, tests: bool = False, workspace: Path | None = None) -> None:
    """Makes what is asked for and not there yet, side by side.

    Args:
        python: whether the virtual environment is needed.
        tests: whether it is to have what the platform's own tests need, too.
        node: whether the Node.js tools are.
        workspace: the folder whose requirements.txt, if it has one, is installed besides; None for none.

    Raises:
        SetupError: something is missing on this machine, or an installation failed.
    """
    if not (python or node):
        return
    with _one_at_a_time():
        # Node.js first: when it is missing, that is said before anything takes its time.
        _install(
            "Setting up the development environment (once; it takes a minute or two)",
            (_begin_node if node else None, (lambda: _begin_python(tests=tests)) if python else None),
        )
        if workspace is not None:
            _install("Installing what workflows need", (lambda: _begin_workspace(workspace),))


def _install(heading: str, begins: Sequence[Callable[[], SetupJob | None] | None]) -> None:
    jobs: list[SetupJob] = []
    try:
        jobs += (job for begin in begins if begin is not None and (job := begin()) is not None)
        if jobs:
            print(heading, flush=True)
        for job in jobs:
            job.start()
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
    with (LOGS / "setup.lock").open("a") as lock:
        # Windows has no such inheritance; there a command that is killed may leave an installation behind.
        if sys.platform != "win32":
            os.set_inheritable(lock.fileno(), True)
        if not _lock(lock, wait=False):
            print("Waiting for another command that sets up the environment", flush=True)
            _lock(lock, wait=True)
        yield


def _lock(file: IO[str], *, wait: bool) -> bool:
    """Locks a file until it is closed; False when another process has it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
    if msvcrt is None:
        return True
    windows: Any = msvcrt
    while True:
        try:
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        except OSError:
            if not wait:
                return False
            time.sleep(_LOOK_SECONDS)
        else:
            return True


def venv_python() -> Path:
    """The virtual environment's Python."""
    return VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_inside() -> bool:
    """Whether this process runs in the virtual environment."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def _begin_python(*, tests: bool) -> SetupJob | None:
    stamp = _hash(*sorted(PROJECT.glob("requirements*.txt")))
    # What is there for the tests is enough for all else.
    stamps = (_TESTS_STAMP,) if tests else (_STAMP, _TESTS_STAMP)
    if venv_python().exists() and any(_is_current(VENV, stamp, name) for name in stamps):
        return None
    requirements = "requirements-test.txt" if tests else "requirements-dev.txt"
    steps = [Step("installing into .venv", [*_pip_install(), "-r", requirements])]
    if not _works([str(venv_python()), "-m", "pip", "--version"]):
        steps.insert(0, Step("making .venv", [sys.executable, "-m", "venv", "--clear", str(VENV)]))
    return SetupJob("Python packages", steps, VENV / stamps[0], stamp)


def _begin_workspace(folder: Path) -> SetupJob | None:
    requirements = folder / WORKSPACE_REQUIREMENTS
    if not requirements.is_file():
        return None
    stamp = _hash(*sorted(PROJECT.glob("requirements*.txt")), requirements)
    if _is_current(VENV, stamp, _WORKSPACE_STAMP):
        return None
    # Together with the platform's own, so that pip refuses what would not go with them.
    command = [*_pip_install(), "-r", "requirements-dev.txt", "-r", str(requirements)]
    what = f"installing {WORKSPACE_REQUIREMENTS} of {folder.name}/ into .venv"
    return SetupJob("Workspace packages", [Step(what, command)], VENV / _WORKSPACE_STAMP, stamp)


def _pip_install() -> list[str]:
    return [str(venv_python()), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]


def _begin_node() -> SetupJob | None:
    _check_node()
    stamp = _hash(PROJECT / "package-lock.json")
    if _is_current(NODE_MODULES, stamp):
        return None
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError("npm was not found: it comes with Node.js; see that `npm` is on the PATH")
    steps = [Step("installing into node_modules", [npm, "ci", "--no-audit", "--no-fund"])]
    return SetupJob("Node.js tools", steps, NODE_MODULES / _STAMP, stamp)


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


def _is_current(folder: Path, stamp: str, file: str = _STAMP) -> bool:
    try:
        return (folder / file).read_text(encoding="utf-8") == stamp
    except FileNotFoundError:
        return False
