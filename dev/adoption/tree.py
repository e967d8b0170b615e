"""The files of a workspace folder that matter when it moves over; links that lead out of it are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Hidden names are skipped besides.
_SKIPPED = {"__pycache__", "node_modules"}


@dataclass(slots=True)
class Tree:
    """What lies in the folder; paths are below it, in the order of their names.

    Attributes:
        forms: the former system's form files.
        stubs: what stands in for its package: type stubs for editors, or a module for tests.
        links: links to files of the folder itself, which are met under their own names.
        links_out: links to Python files elsewhere.
        others: whatever else Python files may read while they are imported.
    """

    root: Path
    python: list[Path] = field(default_factory=list)
    forms: list[Path] = field(default_factory=list)
    stubs: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    links_out: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def modules(self) -> set[str]:
        """The names that can be imported from the folder's root."""
        return {path.parts[0].removesuffix(".py") for path in self.python}


def look(root: Path) -> Tree:
    """Walks through a folder."""
    root = root.resolve()
    tree = Tree(root)
    for path in _files(root, tree):
        name = path.name
        if path.parts in (("bifrost.py",), ("bifrost", "__init__.py")):
            tree.stubs.append(path)
        if name.endswith(".py"):
            tree.python.append(path)
        elif name.endswith(".form.json") or name == "form.json":
            tree.forms.append(path)
        elif name == "bifrost.pyi":
            tree.stubs.append(path)
        else:
            tree.others.append(path)
    return tree


def _files(root: Path, tree: Tree) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        # A junction of Windows is a folder for os.walk, and leads elsewhere all the same.
        folders[:] = sorted(
            name for name in folders if not _skipped(here / name) and (here / name).resolve() == here / name
        )
        for name in sorted(files):
            path = here / name
            if name.startswith("."):
                continue
            if not path.is_symlink():
                yield path.relative_to(root)
            elif path.is_file() and path.resolve().is_relative_to(root):
                tree.links.append(path.relative_to(root))
            elif name.endswith(".py"):
                tree.links_out.append(path.relative_to(root))


def _skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()
