"""`python3 -m dev check [PATH]`: the user's own workflows, loaded, and their tests, run."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.local_settings import LocalSettingsError, local_environment
from dev.setup import PROJECT
from shared.discovery import get_workspace
from shared.errors import SettingsError
from shared.registry import LoadError, get_registry
from shared.settings.environment import Settings, get_settings

TESTS = "_tests"
# A file that takes longer than this to import is named.
SLOW_IMPORT_SECONDS = 5.0
# https://docs.pytest.org/en/stable/reference/exit-codes.html
_NO_TESTS = 5


def main(options: argparse.Namespace) -> int:
    """Prints what is wrong; 0 when nothing is."""
    try:
        os.environ.update(local_environment(os.environ))
        chosen = _chosen(options.path)
        if chosen is not None and chosen.is_dir() and not _is_in_workspace(chosen):
            # Not of this workspace: one of its own.
            os.environ["WORKSPACE_PATH"], chosen = str(chosen), None
        settings = _settings()
    except (LocalSettingsError, SettingsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    tests = test_paths(settings.workspace_path, chosen)
    # Side by side: each spends most of its time on imports.
    running = _start_tests(tests) if tests else None
    try:
        found = _load(settings, chosen)
    except BaseException:
        # Whatever ends the command, Ctrl-C included, ends the tests that it has begun.
        if running is not None:
            running.kill()
            running.wait()
        raise
    if running is None:
        print("No tests found")
        return found
    return max(found, _finish_tests(running))


def test_paths(workspace: Path, chosen: Path | None) -> list[Path]:
    """The tests of a workspace: all folders `_tests`, those below a folder of it, or the test of one file.

    Args:
        workspace: the folder.
        chosen: a file or folder of it; None for all.
    """
    if chosen is None or chosen.is_dir():
        below = chosen or workspace
        if TESTS in below.relative_to(workspace).parts:
            return [below]
        return sorted(path for path in below.rglob(TESTS) if path.is_dir() and not _is_hidden(path, workspace))
    if chosen.name.startswith("test_"):
        return [chosen]
    folders = [folder / TESTS for folder in chosen.parents if folder.is_relative_to(workspace)]
    return [test for folder in folders if (test := folder / f"test_{chosen.name}").is_file()][:1]


def _is_hidden(path: Path, workspace: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(workspace).parts)


def _chosen(path: str | None) -> Path | None:
    if path is None:
        return None
    found = Path(path).resolve()
    if not found.exists():
        raise FileNotFoundError(f"There is no file or folder {path}")
    return None if found == get_settings().workspace_path.resolve() else found


def _settings() -> Settings:
    get_settings.cache_clear()
    return get_settings()


def _is_in_workspace(path: Path) -> bool:
    settings = get_settings()
    roots = [root.resolve() for root in (settings.workspace_path, settings.home_path) if root is not None]
    return any(path.is_relative_to(root) for root in roots)


def _load(settings: Settings, chosen: Path | None) -> int:
    """Loads all of it, since any file may import any other, and prints the errors of what was chosen."""
    # The errors are printed here, in a form that editors and terminals lead from to the line.
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("shared.discovery").addFilter(lambda record: record.levelno < logging.ERROR)
    workspace = get_workspace()
    with naming_slow_imports(settings.workspace_path):
        workspace.load()
    errors = [error for error in workspace.load_errors if _belongs(error, settings, chosen)]
    for error in errors:
        line = f":{error.line}" if error.line else ""
        print(f"{_shown(_place(error, settings))}{line}: {error.reason}")
    registry = get_registry()
    loaded = (
        f"{_counted(registry.get_workflow_count(), 'workflow')} and "
        f"{_counted(registry.get_data_provider_count(), 'data provider')} loaded"
    )
    print(f"{loaded}, {_counted(len(errors), 'error')}" if errors else loaded, flush=True)
    return 1 if errors else 0


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _belongs(error: LoadError, settings: Settings, chosen: Path | None) -> bool:
    return chosen is None or _place(error, settings).is_relative_to(chosen)


def _place(error: LoadError, settings: Settings) -> Path:
    roots = [root.resolve() for root in (settings.workspace_path, settings.home_path) if root is not None]
    return next((path for root in roots if (path := root / error.file).exists()), roots[0] / error.file)


def _shown(path: Path) -> str:
    """From where the user stands, if it is below."""
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)


@contextmanager
def naming_slow_imports(workspace: Path) -> Iterator[None]:
    """Says which line an import hangs at: the user sees a command that does nothing, and does not know why."""
    loading = threading.get_ident()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SLOW_IMPORT_SECONDS):
            # The files have absolute paths, whose root may be behind a link.
            frame = sys._current_frames().get(loading)
            while frame is not None:
                path = Path(frame.f_code.co_filename)
                if path.is_relative_to(workspace.resolve()):
                    print(f"{_shown(path)}:{frame.f_lineno}: still being imported", flush=True)
                    break
                frame = frame.f_back

    threading.Thread(target=watch, name="slow-imports", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _start_tests(tests: list[Path]) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-c", "dev/workspace_tests.ini", f"--rootdir={PROJECT}"),
        *("--color=yes" if sys.stdout.isatty() else "--color=no",),
        *map(str, tests),
    ]
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def _finish_tests(running: subprocess.Popen[str]) -> int:
    assert running.stdout is not None
    with running, running.stdout as output:
        for line in output:
            print(line, end="", flush=True)
    return 0 if running.returncode in (0, _NO_TESTS) else 1
