"""`python3 -m dev adopt PATH`: a workspace written for the former system, moved over to this one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.adoption.draft import Finding
from dev.adoption.here import here
from dev.adoption.loading import add_failures, load
from dev.adoption.plan import FilePlan, plan_of
from dev.adoption.report import Report
from dev.adoption.sources import WriteError, replace
from dev.adoption.tree import Tree, look
from dev.adoption.versions import without_version
from dev.setup import PROJECT

FITS, LEFT_TO_DO, WRONG_USE = 0, 1, 2


def main(options: argparse.Namespace) -> int:
    """Rewrites the imports and says what is left to do.

    0 when everything fits, 1 when something is left to do (with --check also: to be rewritten), 2 when it can't begin.
    """
    root = Path(options.path)
    check: bool = options.check
    if not root.is_dir():
        return _refuse(f"{root.as_posix()} is no folder" if root.exists() else f"{root.as_posix()} does not exist")
    if PROJECT.is_relative_to(root.resolve()):
        return _refuse(f"{root.as_posix()} is the platform itself: PATH is the folder of the workflows")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] - names of files may be anything
    tree = look(root)
    if not tree.python and not tree.forms:
        return _refuse(f"{root.as_posix()} has no Python files")
    plans = plan_of(tree, here())
    changing = [plan for plan in plans if plan.changes]
    if changing and not check and not options.force:
        refusal = _why_not(root, tree, changing)
        if refusal is not None:
            return _refuse(refusal)
    loaded = load(tree, plans)
    general = add_failures(loaded, plans)
    written = _write(tree, changing) if not check else set[Path]()
    report = Report(root, check=check)
    for plan in plans:
        report.file(plan, written=plan.path in written)
    todos = sum(len(plan.todos) for plan in plans) + report.others(tree) + len(general)
    report.general(general, [*_notes(root, plans), *loaded.warnings])
    report.summary(plans, written, todos)
    if written and not options.force:
        print(f"Look at what was changed: git diff -- {root.as_posix()}")
    return LEFT_TO_DO if todos or (check and changing) else FITS


def _why_not(root: Path, tree: Tree, changing: Sequence[FilePlan]) -> str | None:
    """Why nothing may be written: a file would change of which there is no other version."""
    lost = without_version(tree.root, [plan.path for plan in changing])
    if lost is None:
        return (
            f"{root.as_posix()} is in no git repository, so what is rewritten could not be had again; "
            "put it into one, or keep a copy and use --force (--check shows what would be rewritten)"
        )
    if not lost:
        return None
    names = "\n".join(f"  {(root / path).as_posix()}" for path in lost)
    return (
        f"These files would be rewritten and have changes that git does not have:\n{names}\n"
        "Commit them first, so that `git diff` shows what was rewritten, or use --force (--check only shows it)"
    )


def _write(tree: Tree, changing: Sequence[FilePlan]) -> set[Path]:
    written: set[Path] = set()
    for plan in changing:
        assert plan.before is not None
        assert plan.after is not None
        try:
            replace(tree.root / plan.path, plan.before, plan.after)
        except WriteError as error:
            plan.findings.append(Finding(None, f"should be rewritten, but {error}"))
        else:
            written.add(plan.path)
    return written


def _notes(root: Path, plans: Sequence[FilePlan]) -> list[str]:
    notes: list[str] = []
    count = sum(plan.without_timeout for plan in plans)
    if count:
        which = "1 workflow leaves" if count == 1 else f"{count} workflows leave"
        notes.append(f"{which} timeout_seconds out: that is 300 s here, and was 1,800 s there at last")
    if (root / ".bifrost").is_dir():
        notes.append("schedules, endpoints and time limits in .bifrost/ are arguments of @workflow here")
    return notes


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return WRONG_USE
