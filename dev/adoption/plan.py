"""What becomes of each file of a workspace, before anything of it is written."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dev.adoption.contexts import move_contexts
from dev.adoption.definitions import look_at_definitions
from dev.adoption.draft import Draft, Finding, Rewrite
from dev.adoption.here import Here
from dev.adoption.imports import move_imports
from dev.adoption.sources import Source, UnreadableError, lines_in
from dev.adoption.tree import Tree

_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
# What a file must have somewhere to be of interest: names of the former system's modules, or of ours.
_WORDS = (b"bifrost", b"shared", b"engine", b"sdk", b"src", b"context")


@dataclass(slots=True)
class FilePlan:
    """What becomes of one file.

    Attributes:
        path: below the workspace folder.
        before: what it has; None when it could not be read.
        after: what it is to have; the same when nothing changes.
        shifts: for each edit the line that it ends in, and by how many lines it makes the file longer.
        functions: decorated functions that must be registered when it is loaded, with their lines.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    rewrites: list[Rewrite] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    functions: dict[str, int] = field(default_factory=dict)
    without_timeout: int = 0
    shifts: list[tuple[int, int]] = field(default_factory=list)

    def line_after(self, line: int) -> int:
        """Where a line stands when the file is rewritten."""
        return line + sum(lines for end, lines in self.shifts if line > end)

    def line_before(self, line: int) -> int:
        """Which line has become this one of the rewritten file, or the statement that it belongs to."""
        before = 1
        while self.line_after(before + 1) <= line:
            before += 1
        return before

    @property
    def changes(self) -> bool:
        return self.after != self.before

    @property
    def todos(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.is_note]


def plan_of(tree: Tree, here: Here) -> list[FilePlan]:
    """What becomes of the Python files of a folder."""
    taken: dict[str, set[str]] = {}
    plans = [_read(tree.root, path, taken) for path in tree.python]
    modules = tree.modules
    for plan in plans:
        if plan.before is not None and not plan.findings and any(word in plan.before for word in _WORDS):
            stem = plan.path.parent.name if plan.path.name == "__init__.py" else plan.path.stem
            names = taken.get(stem, set())
            # Parsed once more: the trees of all files at once would fill the memory.
            _plan(plan, Source.of(plan.before), here, modules, None if "*" in names else names)
    return plans


def _read(root: Path, path: Path, taken: dict[str, set[str]]) -> FilePlan:
    """A file as it is; what it imports from other ones goes to `taken`, by the last part of the module's name."""
    try:
        raw = (root / path).read_bytes()
    except OSError as error:
        return FilePlan(path, None, None, findings=[Finding(None, f"can't be read: {error.strerror or error}")])
    plan = FilePlan(path, raw, raw)
    try:
        tree = Source.of(raw).tree
    except UnreadableError as error:
        covers = ((1, 1 + raw.count(b"\n")),)  # loading it can only say the same
        plan.findings.append(Finding(error.line, f"is no {_PYTHON}, and was left as it is: {error}", covers=covers))
        return plan
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = taken.setdefault((node.module or "").split(".")[-1], set())
            names.update(alias.name for alias in node.names)
    return plan


def _plan(plan: FilePlan, source: Source, here: Here, modules: set[str], taken: set[str] | None) -> None:
    try:
        draft = Draft(source, here, modules, taken)
        move_imports(draft)
        move_contexts(draft)
        look_at_definitions(draft)
        plan.after = source.changed(draft.edits)
    except RecursionError:
        plan.findings.append(Finding(None, "is too deeply nested to be looked through: change its imports by hand"))
        return
    except UnreadableError as error:
        text = f"would be no Python any more ({error}): change its imports by hand"
        plan.findings.append(Finding(error.line, text))
        return
    plan.shifts = [
        (source.line_of(edit.end), lines_in(edit.text) - lines_in(source.text[edit.start : edit.end]))
        for edit in draft.edits
    ]
    plan.rewrites = sorted(draft.rewrites, key=lambda rewrite: rewrite.line)
    plan.findings = sorted(draft.findings, key=lambda finding: finding.line or 0)
    plan.functions = draft.functions
    plan.without_timeout = draft.without_timeout
