"""Any workspace, and any edits of it: what is good stays callable, what is broken is said, and runs see their own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.discovery import Workspace
from shared.logs.buffer import LogBuffer
from shared.logs.capture import capture_into
from shared.registry import FunctionRegistry, LoadError, get_registry, staging
from shared.runtime.modules import MODULE_SET
from tests.support.workspaces import (
    Folder,
    clean_imports,  # noqa: F401 - a fixture
    forget_modules_below,
    workspace_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")

PATHS = [
    "a.py",
    "b.py",
    "_helper.py",
    "pkg/__init__.py",
    "pkg/a.py",
    "pkg/sub/c.py",
    "pkg/sub/__init__.py",
    "ns/x.py",
    "ns/_h.py",
    "ns/deep/y.py",
]
IMPORTS = [
    "import a as m",
    "import pkg.a as m",
    "import ns.deep.y as m",
    "from pkg.sub import c as m",
    "from ns import x as m",
    "from . import a as m",
    "from . import x as m",
    "from .. import a as m",
    "from ..x import VERSION as m",
    "from .sub import c as m",
    "import _helper as m",
    "from ns._h import VERSION as m",
    "import importlib; m = importlib.import_module('b')",
]
BROKEN = ["", "def broken(:", "1 / 0", "raise SystemExit(1)", "import no_such_module"]
NAMES = ["one", "two", "three"]
TWICE = "two functions are named"


@dataclass(frozen=True)
class File:
    """What is written to a file."""

    names: frozenset[str] = frozenset()
    imports: tuple[str, ...] = ()
    lazy: tuple[str, ...] = ()
    broken: str = ""

    def text(self, version: str) -> str:
        lines = ["import pickle", "from shared.decorators import workflow", f"VERSION = {version!r}", "SEEN = []"]
        lines += ["class Item: pass"]
        for statement in self.imports:
            lines += [statement, "SEEN.append(getattr(m, 'VERSION', m))"]
        for name in sorted(self.names):
            lines += [f"@workflow(name={name!r}, execution_mode='sync')", f"def {name}():", "    seen = []"]
            for statement in self.lazy:
                lines += ["    try:", f"        {statement}", "        seen.append(getattr(m, 'VERSION', m))"]
                lines += ["    except BaseException: seen.append(None)"]
            lines += [
                "    assert type(pickle.loads(pickle.dumps(Item()))) is Item",
                "    return [VERSION, *SEEN, *seen]",
            ]
        return "\n".join([*lines, self.broken, ""])


FILES = st.builds(
    File,
    names=st.frozensets(st.sampled_from(NAMES), max_size=2),
    imports=st.lists(st.sampled_from(IMPORTS), max_size=2).map(tuple),
    lazy=st.lists(st.sampled_from(IMPORTS), max_size=1).map(tuple),
    broken=st.sampled_from(["", "", "", *BROKEN]),
)
# A path without a file is deleted.
CHANGES = st.dictionaries(st.sampled_from(PATHS), st.one_of(st.none(), FILES, FILES), min_size=1, max_size=4)


@dataclass
class Tree:
    """The folder as it is written."""

    folder: Folder
    files: dict[str, File] = field(default_factory=dict)

    def change(self, changes: dict[str, File | None]) -> None:
        for path, file in changes.items():
            if file is not None:
                self.folder.write(path, file.text(f"{path} {self.folder.writes}"))
                self.files[path] = file
            elif self.files.pop(path, None) is not None:
                self.folder.remove(path)
                place = (self.folder.path / path).parent
                while place != self.folder.path and not any(place.iterdir()):
                    place.rmdir()
                    place = place.parent


def fresh(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What a new process has: of each function its file and what it returns, and the errors."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            forget_modules_below(folder)
            with staging(FunctionRegistry()):
                space = workspace_of(folder)
                space.load()
                answer = json.dumps([loaded(), said(space.load_errors)])
            os.write(writing, answer.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    found, errors = json.loads(answer)
    return found, errors


def loaded() -> dict[str, Any]:
    return {
        metadata.name: [metadata.source_file, run_of(metadata).run(metadata.function)]  # type: ignore[arg-type]
        for metadata in get_registry().get_all_functions()
    }


def run_of(metadata: Any) -> Context:
    """The context of a run of a function, as the engine makes it."""
    context = capture_into(LogBuffer())
    if MODULE_SET in metadata.derived:
        metadata.derived[MODULE_SET].seen_in(context)
    return context


def said(errors: list[LoadError]) -> dict[str, str]:
    found: dict[str, str] = {}
    for error in errors:
        found[error.file] = f"{found.get(error.file, '')} {error.reason}"
    return found


class Runs:
    """Runs that go on while files change."""

    def __init__(self) -> None:
        self._under_way: list[tuple[Context, Any, Any]] = []

    def begin(self) -> None:
        for metadata in get_registry().get_all_functions():
            context = run_of(metadata)
            assert metadata.function is not None
            self._under_way.append((context, metadata.function, context.run(metadata.function)))

    def go_on(self) -> None:
        for context, called, before in self._under_way:
            now = context.run(called)
            # What could not be imported may be there by now.
            assert [each for each, was in zip(now, before, strict=True) if was] == [was for was in before if was]


def check(tree: Tree, space: Workspace, owners: dict[str, str]) -> dict[str, str]:
    """Holds what is loaded against a new process's; gives whose each name is."""
    ours, errors = loaded(), said(space.load_errors)
    theirs, their_errors = fresh(tree.folder.path)
    assert "." not in errors
    for file, reason in their_errors.items():
        assert file in errors or TWICE in reason, (file, reason)
    for file, reason in errors.items():
        # Of a helper that only runs import, a new process learns when one does.
        is_helper = "_" in file
        assert is_helper or file in their_errors or TWICE in reason, (file, reason)
    for name, (file, value) in theirs.items():
        assert name in ours, (name, file)
        if ours[name][0] == file and file not in errors:
            assert [each for each, was in zip(ours[name][1], value, strict=True) if was] == [
                was for was in value if was
            ]
    for name, (file, _) in ours.items():
        assert file in tree.files
        # A helper's functions stay with the file that has imported it, as long as that one is broken.
        is_former = file in errors or ("_" in file and errors)
        assert name in theirs or is_former or any(TWICE in reason for reason in their_errors.values()), (name, file)
    for name, owner in owners.items():
        if owner in tree.files and name in tree.files[owner].names:
            assert ours[name][0] == owner, (name, owner)
    return {name: file for name, (file, _) in ours.items()}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


def live(place: Path, batches: list[dict[str, File | None]]) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder, staging(FunctionRegistry()):
        tree, runs, owners = Tree(Folder(Path(folder))), Runs(), dict[str, str]()
        space = workspace_of(tree.folder.path, reload=True)
        try:
            for changes in batches:
                tree.change(changes)
                space.load()
                owners = check(tree, space, owners)
                runs.go_on()
                runs.begin()
        finally:
            forget_modules_below(Path(folder))


BATCHES = st.lists(CHANGES, min_size=2, max_size=5)
GOOD = File(frozenset({"one"}))


@settings(max_examples=8)
@given(batches=BATCHES)
@example(batches=[{"ns/deep/y.py": GOOD}, {"a.py": File()}, {"ns/deep/y.py": GOOD}, {"a.py": None}])
@example(batches=[{"pkg/__init__.py": File(), "pkg/sub/c.py": GOOD}, {"pkg/sub/c.py": None}])
def test_what_is_good_is_callable_and_what_is_broken_is_said(place: Path, batches: list[dict[str, File | None]]):
    live(place, batches)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(max_examples=2000)
@given(batches=st.lists(CHANGES, min_size=2, max_size=12))
def test_what_is_good_is_callable_however_long_a_process_lives(place: Path, batches: list[dict[str, File | None]]):
    live(place, batches)
