"""Loads a workspace as the platform would: a copy of it, in a process of its own, by the platform's own discovery."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dev.adoption.draft import Finding
from dev.adoption.plan import FilePlan
from dev.adoption.tree import Tree
from dev.local_settings import SETTINGS, LocalSettingsError, local_environment
from dev.setup import PROJECT

_SECONDS = 120
# Files end a process, or never end, only by mistake; each costs one more try.
_TRIES = 5
# Larger files are not copied for modules that read files while they are imported.
_LARGEST = 5 * 2**20
_LARGEST_IN_ALL = 100 * 2**20
_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'")
_ELSEWHERE = re.compile(r" \(in (.+), line (\d+)\)$")


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A file that would not load here; the file is below the workspace."""

    file: str
    line: int | None
    reason: str


@dataclass(slots=True)
class Loaded:
    """What loading came to.

    Attributes:
        functions: module and name of each registered function; None when that could not be found out.
        warnings: what discovery had to say besides.
    """

    failures: list[LoadFailure]
    functions: set[tuple[str, str]] | None
    warnings: list[str]


def load(tree: Tree, plans: Iterable[FilePlan]) -> Loaded:
    """Loads the files as they are planned. The workspace itself is only read."""
    with tempfile.TemporaryDirectory(prefix="adopt-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve() / "workspace"
        _copy(tree, plans, root)
        lost: list[LoadFailure] = []
        for _ in range(_TRIES):
            loaded, failure = _load_once(root, Path(folder))
            if loaded is not None:
                loaded.failures += lost
                return loaded
            assert failure is not None
            lost.append(failure)
            if not failure.file:
                break
            (root / failure.file).unlink()
        return Loaded(lost, None, [])


def _copy(tree: Tree, plans: Iterable[FilePlan], root: Path) -> None:
    root.mkdir()
    left = _LARGEST_IN_ALL
    contents = {plan.path: plan.after for plan in plans}
    for path in (*tree.python, *tree.links, *tree.forms, *tree.others):
        content = contents.get(path)
        try:
            source = (tree.root / path).resolve()
            if content is None:
                content = contents.get(source.relative_to(tree.root))
            if content is None:
                size = source.stat().st_size
                if size > min(_LARGEST, left):
                    continue
                left -= size
                content = source.read_bytes()
        except OSError:  # whoever needs it will tell
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def _load_once(root: Path, folder: Path) -> tuple[Loaded | None, LoadFailure | None]:
    answer, progress, log = folder / "answer.json", folder / "progress", folder / "log"
    progress.write_text("", encoding="utf-8")
    # What user code has started must not keep the process.
    script = "import os, sys; from dev.adoption.loading import load_here; load_here(*sys.argv[1:]); os._exit(0)"
    command = [sys.executable, "-c", script, str(root), str(answer), str(progress)]
    try:
        # No pipe, which a process that user code has started would hold open.
        with log.open("wb") as stderr:
            done = subprocess.run(
                command,
                cwd=PROJECT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                timeout=_SECONDS,
                check=False,
            )
        reason = f"it ended Python (exit code {done.returncode})"
    except subprocess.TimeoutExpired:
        reason = f"it was not through after {_SECONDS} s"
    if answer.exists():
        found = json.loads(answer.read_text(encoding="utf-8"))
        failures = [LoadFailure(**failure) for failure in found["failures"]]
        return Loaded(failures, {tuple(names) for names in found["functions"]}, found["warnings"]), None
    file = progress.read_text(encoding="utf-8")
    if not file:
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        reason = f"the files could not be loaded: {said.splitlines()[-1] if said else reason}"
    return None, LoadFailure(file, None, reason)


def _environment() -> dict[str, str]:
    """What the workflows' own code finds in a local run."""
    environ = dict(os.environ)
    if SETTINGS.exists():
        try:
            environ = local_environment(environ)
        except LocalSettingsError as error:
            logging.getLogger(__name__).warning("%s", error)
    return environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}


class _Warnings(logging.Handler):
    """Keeps what discovery warns of; its errors come as `load_errors`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.ERROR:
            self.messages.append(record.getMessage())


def load_here(root: str, answer: str, progress: str) -> None:
    """As `load`, of a folder, in this process; the answer goes to a file, since user code may print."""
    from shared.discovery import Workspace
    from shared.registry import get_registry
    from shared.settings.environment import load_settings

    folder = Path(root)
    warnings = _Warnings()
    logging.getLogger("shared.discovery").addHandler(warnings)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            file = Path(getattr(arguments[0], "co_filename", ""))
            if file.is_relative_to(folder):
                Path(progress).write_text(file.relative_to(folder).as_posix(), encoding="utf-8")

    sys.addaudithook(watch)
    # Settings of the person's own shell, of an app on Azure even, are not the workspace's.
    workspace = Workspace(load_settings({"WORKSPACE_PATH": root, "WORKSPACE_RELOAD": "true"}))
    workspace.load()
    defined = (found.function for found in get_registry().get_all_functions())
    functions = [(function.__module__, function.__name__) for function in defined if function is not None]
    failures = [asdict(LoadFailure(error.file, error.line, error.reason)) for error in workspace.load_errors]
    text = json.dumps({"failures": failures, "functions": functions, "warnings": warnings.messages})
    Path(answer).write_text(text, encoding="utf-8")


def add_failures(loaded: Loaded, plans: Iterable[FilePlan]) -> list[Finding]:
    """Adds to each file why it would not load, unless that has been said; gives what belongs to no file."""
    by_file = {plan.path.as_posix(): plan for plan in plans}
    general: list[Finding] = []
    failed: set[str] = set()
    # Those of a file's own first: what fails in a file that it imports needs no second word.
    for failure in sorted(loaded.failures, key=lambda found: _ELSEWHERE.search(found.reason) is not None):
        plan = by_file.get(failure.file)
        if plan is None:
            general.append(Finding(None, f"{failure.file}: {failure.reason}" if failure.file else failure.reason))
            continue
        failed.add(failure.file)
        line = plan.line_before(failure.line) if failure.line is not None else None
        if not any(finding.has(line) for finding in plan.todos):
            plan.findings.append(Finding(line, _explained(failure, by_file)))
    for file, plan in by_file.items() if loaded.functions is not None else ():
        parts = plan.path.with_suffix("").parts
        if file in failed or any(part.startswith("_") for part in parts):
            continue
        for name, line in plan.functions.items():
            is_known = (".".join(parts), name) in (loaded.functions or ())
            if not is_known and not any(finding.has(line) for finding in plan.todos):
                text = f"{name} is decorated, and would not be registered here: give its decorator name={name!r}"
                plan.findings.append(Finding(line, text))
    return general


def _explained(failure: LoadFailure, plans: dict[str, FilePlan]) -> str:
    reason = failure.reason
    elsewhere = _ELSEWHERE.search(reason)
    other = plans.get(elsewhere[1]) if elsewhere else None
    if elsewhere and other is not None:
        line = other.line_before(int(elsewhere[2]))
        if any(finding.has(line) for finding in other.todos):
            return f"would load once {elsewhere[1]} does, which it imports"
    missing = _MISSING.match(reason)
    if missing:
        return f"does not load: {reason}; a package that is not installed here belongs into requirements.txt"
    return f"does not load: {reason}"
