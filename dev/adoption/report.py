"""What `adopt` says of a workspace, file by file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dev.adoption.draft import Finding
from dev.adoption.plan import FilePlan
from dev.adoption.tree import Tree


class Report:
    """Prints; places are `FILE:LINE:`, which editors and terminals open.

    Args:
        root: the workspace folder, as its user wrote it.
        check: whether nothing is written.
    """

    def __init__(self, root: Path, *, check: bool) -> None:
        self._root = root
        self._check = check

    def file(self, plan: FilePlan, *, written: bool) -> None:
        """One file."""
        path = self._shown(plan.path)
        todos = len(plan.todos)
        states = []
        if plan.changes and (written or self._check):
            states.append("would be rewritten" if self._check else "rewritten")
        if todos:
            states.append(f"{todos} left to do")
        print(f"{path}: {', '.join(states) or 'fits'}")
        if written or self._check:
            for rewrite in plan.rewrites:
                change = f"{_plain(rewrite.before)} -> {_plain(rewrite.after)}"
                print(f"  {self._place(plan, rewrite.line, written)}: {change}")
        for finding in sorted(plan.findings, key=lambda found: (found.is_note, found.line or 0)):
            place = self._place(plan, finding.line, written)
            also = ", ".join(str(plan.line_after(line) if written else line) for line in finding.also)
            more = f" (also in line{'s' if len(finding.also) > 1 else ''} {also})" if also else ""
            print(f"  {place}: {'note: ' if finding.is_note else ''}{_plain(finding.text)}{more}")

    def others(self, tree: Tree) -> int:
        """What else lies in the folder and has no meaning here; the number of things to do."""
        for path in tree.forms:
            print(
                f"{self._shown(path)}: 1 left to do\n  {self._shown(path)}: forms are not read from files here: "
                "POST it to /api/forms, where its id and its times are left out, and delete it"
            )
        for path in tree.stubs:
            print(
                f"{self._shown(path)}: 1 left to do\n  {self._shown(path)}: stands in for the former package: "
                "delete it when nothing imports it any more"
            )
        for path in tree.links_out:
            print(
                f"{self._shown(path)}: not looked at\n  {self._shown(path)}: note: a link that leads out of the folder"
            )
        return len(tree.forms) + len(tree.stubs)

    def general(self, findings: Sequence[Finding], notes: Sequence[str]) -> None:
        """What belongs to no file."""
        for finding in findings:
            print(f"{self._root.as_posix()}: {_plain(finding.text)}")
        for note in notes:
            print(f"note: {_plain(note)}")

    def summary(self, plans: Sequence[FilePlan], written: set[Path], todos: int) -> None:
        """The last lines."""
        changed = [plan for plan in plans if plan.changes and (self._check or plan.path in written)]
        fit = sum(1 for plan in plans if not plan.todos and (not plan.changes or plan.path in written))
        parts = [f"{len(changed)} {'would be ' if self._check else ''}rewritten"] if changed else []
        parts.append(f"{fit} fit{'s' if fit == 1 else ''}")
        left = f"{_count(todos, 'thing')} left to do" if todos else "nothing left to do"
        print(f"\n{_count(len(plans), 'file')}: {', '.join(parts)}; {left}.")

    def _place(self, plan: FilePlan, line: int | None, written: bool) -> str:
        path = self._shown(plan.path)
        if line is None:
            return path
        return f"{path}:{plan.line_after(line) if written else line}"

    def _shown(self, path: Path) -> str:
        return _plain((self._root / path).as_posix())


def _plain(text: str) -> str:
    """Text that does nothing to a terminal."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape", "replace").decode() for part in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
