"""The Python files of the workspace folders: which there are, and which can't be imported by their name."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Stamp = tuple[int, int]
"""Time of change and size."""


@dataclass(frozen=True, slots=True)
class Root:
    """A workspace folder; `source` is what its functions say they come from."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Python file of the workspace.

    Attributes:
        module: its name as a module.
        is_helper: whether it is imported only where another file does.
        stamp: tells one version of it from another.
    """

    module: str
    path: Path
    root: Root
    is_helper: bool
    stamp: Stamp

    @property
    def file(self) -> str:
        """The path below its workspace folder."""
        return self.path.relative_to(self.root.path).as_posix()

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


def stamps_of(roots: Iterable[Root]) -> dict[str, Stamp]:
    """Each Python file, helpers too, with its stamp; cheap, since it is asked for at each call in local runs."""
    found: dict[str, Stamp] = {}
    for root in roots:
        _stamp(os.fspath(root.path), found)
    return found


def _stamp(folder: str, found: dict[str, Stamp]) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == "." or name == "__pycache__":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    _stamp(entry.path, found)
                elif name.endswith(".py") and not entry.is_dir():
                    try:
                        status = entry.stat()
                        found[entry.path] = (status.st_mtime_ns, status.st_size)
                    except OSError:  # a link to nowhere, say; importing it will tell
                        found[entry.path] = (0, 0)
    except OSError:  # it is not there, or out of reach
        return


def source_files(roots: Sequence[Root], stamps: Mapping[str, Stamp]) -> list[SourceFile]:
    """The files in the order of their paths, folder after folder."""
    found: list[SourceFile] = []
    for path, stamp in stamps.items():
        root = next(root for root in roots if path.startswith(f"{root.path}{os.sep}"))
        parts = Path(path).relative_to(root.path).with_suffix("").parts
        is_helper = any(part.startswith("_") for part in parts)
        parts = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
        found.append(SourceFile(".".join(parts), Path(path), root, is_helper, stamp))
    return sorted(found, key=lambda file: (roots.index(file.root), file.file))


def contents_of(files: Iterable[SourceFile]) -> dict[SourceFile, bytes]:
    """What the files hold; one that can't be read is left out, and importing it will tell."""
    found: dict[SourceFile, bytes] = {}
    for file in files:
        try:
            found[file] = file.path.read_bytes()
        except OSError:
            continue
    return found


def code_version_of(contents: Mapping[SourceFile, bytes]) -> str:
    """A hash of all files, helpers too: whose code a function uses is not known for sure."""
    digest = hashlib.sha256()
    for file, content in contents.items():
        digest.update(os.fsencode(file.file) + b"\0%d\0" % len(content))
        digest.update(content)
    return digest.hexdigest()


def top_of(module: str) -> str:
    """The name that a module's import statement begins with."""
    return module.partition(".")[0]


def shadowing_tops(files: Iterable[SourceFile], roots: Iterable[Root]) -> set[str]:
    """The names at the top of the folders that Python or a dependency has, too."""
    own = {str(root.path) for root in roots}
    elsewhere = [entry for entry in sys.path if entry not in own]
    tops = {top_of(file.module) for file in files}
    return {top for top in tops if top in sys.stdlib_module_names or _is_elsewhere(top, elsewhere)}


def _is_elsewhere(name: str, path: Sequence[str]) -> bool:
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    return spec is not None and spec.origin is not None


def conflicts_of(files: Sequence[SourceFile], shadowing: Collection[str]) -> dict[SourceFile, str]:
    """The files that can't be imported by their name, each with the reason.

    Args:
        files: all of the workspace.
        shadowing: as `shadowing_tops` gives them.
    """
    return dict(_conflicts(files, shadowing))


def _conflicts(files: Sequence[SourceFile], shadowing: Collection[str]) -> Iterator[tuple[SourceFile, str]]:
    taken: dict[str, SourceFile] = {}
    packages = {(file.root, file.module) for file in files if file.is_package}
    for file in files:
        if file.is_helper:
            continue
        top = top_of(file.module)
        if "." in file.file.removesuffix(".py"):
            yield file, "the name has a dot in it, so that it can't be imported"
        elif file.module in taken:
            source = taken[file.module].root.source
            yield file, f"{source} has a module of the same name; rename one of them"
        elif (file.root, file.module) in packages:
            yield file, f"the package {file.file.removesuffix('.py')}/ has the same name; rename one of them"
        elif top in shadowing:
            reason = f"a module named {top!r} exists in Python or in a dependency and would be shadowed"
            yield file, f"{reason}; rename the file"
        else:
            taken[file.module] = file
