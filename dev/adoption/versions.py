"""Whether what a file has now can be had again: whether git has it."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import Iterable
from pathlib import Path


def without_version(root: Path, paths: Iterable[Path]) -> list[Path] | None:
    """Those of some files below a folder that git does not have as they are; None when there is no git at all."""
    wanted = list(paths)
    prefix = _git(root, "rev-parse", "--show-prefix")
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored=matching", "--", ".")
    if prefix is None or status is None:
        return None
    below = prefix.rstrip("\n")
    changed: set[str] = set()
    entries = iter(status.split("\0"))
    for entry in entries:
        if not entry:
            continue
        changed.add(entry[3:])
        if entry[0] in "RC":
            changed.add(next(entries))
    names = {_normal(name.removeprefix(below)) for name in changed}
    folders = tuple(name for name in names if name.endswith("/"))
    return [path for path in wanted if (name := _normal(path.as_posix())) in names or name.startswith(folders)]


def _normal(name: str) -> str:
    """A name as macOS and git may have it in two forms."""
    return unicodedata.normalize("NFC", name)


def _git(folder: Path, *arguments: str) -> str | None:
    # Neither an index that another git holds, nor a program that the repository names, has anything to do here.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    except OSError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
