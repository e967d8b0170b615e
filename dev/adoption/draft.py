"""What is to be said of a file, and done to it: collected while its parts are looked at."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dev.adoption.former import Meaning, meaning_of
from dev.adoption.here import Here
from dev.adoption.scopes import Binding, Names, Scope, Use
from dev.adoption.sources import Edit, Source


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that its author has to do, or (a note) should know.

    `also` are further lines that it is about. `covers` are the lines, from and to, that go with it: what fails there
    when the file is loaded needs no second word.
    """

    line: int | None
    text: str
    is_note: bool = False
    also: tuple[int, ...] = ()
    covers: tuple[tuple[int, int], ...] = ()

    def has(self, line: int | None) -> bool:
        return line is not None and (line == self.line or any(first <= line <= last for first, last in self.covers))


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A change, for people: the text before and after it, in one line."""

    line: int
    before: str
    after: str


@dataclass(slots=True)
class Draft:
    """A file on its way.

    Attributes:
        taken: the names that other files of the workspace import from this one; None: they take all there is.
        is_former: whether it imports from the former system.
        functions: names of the decorated functions at its top level, with their lines.
    """

    source: Source
    here: Here
    own: set[str]
    taken: set[str] | None
    names: Names = field(init=False)
    edits: list[Edit] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    functions: dict[str, int] = field(default_factory=dict)
    is_former: bool = False
    without_timeout: int = 0

    def __post_init__(self) -> None:
        self.names = Names(self.source.tree)

    def meaning(self, dotted: str) -> Meaning | None:
        return meaning_of(dotted, self.here, self.own.__contains__)

    def bindings_of(self, use: Use) -> list[Binding]:
        owner = use.scope.owner_of(use.name)
        return owner.bindings[use.name] if owner is not None else []

    def meaning_of_use(self, use: Use) -> Meaning | None:
        """What a name and its attributes come to, by the first import of it that is of the former system's."""
        for binding in self.bindings_of(use):
            if binding.dotted is not None:
                found = self.meaning(".".join((binding.dotted, *use.attributes)))
                if found is not None:
                    return found
        return None

    def todo(self, node: ast.AST, text: str, *covers: ast.AST, uses: Sequence[Use] = ()) -> None:
        """Something to do at a node; the first one's of several uses."""
        line = getattr(node, "lineno", None)
        also = sorted({use.node.lineno for use in uses} - {line})
        lines = tuple((found.lineno, found.end_lineno) for found in (node, *covers))  # type: ignore[attr-defined]
        self.findings.append(Finding(line, text, also=tuple(also), covers=lines))

    def note(self, node: ast.AST, text: str) -> None:
        self.findings.append(Finding(getattr(node, "lineno", None), text, is_note=True))

    def edit(self, edits: list[Edit], node: ast.stmt | ast.expr | None = None) -> None:
        """Makes edits, and shows them as one change: of a node, or of what they replace."""
        if not edits:
            return
        self.edits += edits
        start, end = self.source.span(node) if node is not None else (edits[0].start, edits[-1].end)
        after = self.source.text[start:end]
        for edit in sorted(edits, reverse=True):
            after = after[: edit.start - start] + edit.text + after[edit.end - start :]
        line = self.source.line_of(start)
        self.rewrites.append(Rewrite(line, _one_line(self.source.text[start:end]), _one_line(after)))

    def chain(self, use: Use, count: int) -> ast.expr:
        """The expression of a name with that many of its attributes."""
        node: ast.expr = use.node
        for _ in range(count):
            parent = self.names.parents[node]
            assert isinstance(parent, ast.Attribute)
            node = parent
        return node

    def range_of(self, use: Use, count: int) -> tuple[int, int] | None:
        """Where a name with `count` of its attributes stands; None when the file has it in another form there.

        Comments between the parts are such a form, and so are places inside f-strings that Python tells wrong.
        """
        if use.in_text is not None:
            return use.in_text
        start, end = self.source.span(self.chain(use, count))
        written = self.source.text[start:end]
        return (start, end) if written == ".".join((use.name, *use.attributes[:count])) else None


def _one_line(text: str) -> str:
    line = re.sub(r"\s*#[^\n\r]*", "", text) if "\n" in text or "\r" in text else text
    line = re.sub(r"(?<!\\)[\r\n]+\s*(?=(from|import)\b)", "; ", line)
    line = re.sub(r"\s+", " ", line.replace("\\\n", " ").replace("\\\r\n", " "))
    line = line.replace("( ", "(").replace(", )", ")").replace(" )", ")")
    return line if len(line) <= 160 else f"{line[:157]}..."


def is_free(draft: Draft, name: str, owner: Scope) -> bool:
    """Whether a name may be bound in a scope to a package of ours without harm to anybody who uses that name."""
    for binding in draft.names.bindings:
        if binding.name == name and not (binding.dotted or "").startswith(name):
            return False
    if owner.kind == "module":
        return True
    uses = [use for use in draft.names.uses if use.name == name]
    return all(owner not in _around(use.scope) or use.scope.owner_of(name) is owner for use in uses)


def _around(scope: Scope | None) -> list[Scope]:
    found: list[Scope] = []
    while scope is not None:
        found.append(scope)
        scope = scope.parent
    return found
