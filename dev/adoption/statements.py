"""Import statements written anew: their comments, line ends and indentation stay."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, field

from dev.adoption.sources import Edit, Source, tokens_of

# A longer line is broken, one name a line.
_LINE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Imported:
    """One name of a `from` import, and where it is to come from: `name` in `module`.

    `alias` is the statement's own; made up, without a place in the file, when the statement is `import *`.
    """

    alias: ast.alias
    module: str
    name: str

    @property
    def text(self) -> str:
        if self.alias.asname == self.name:  # "x as x" says that x is handed on
            return f"{self.name} as {self.alias.asname}"
        local = self.alias.asname or self.alias.name
        return self.name if local == self.name else f"{self.name} as {local}"


def from_edits(
    source: Source, node: ast.ImportFrom, names: Sequence[Imported], modules: Sequence[str] = ()
) -> list[Edit]:
    """What changes in `from … import …` when its names come from elsewhere, and `modules` are imported besides."""
    assert node.module is not None
    targets = sorted({imported.module for imported in names})
    if targets == [node.module] and not modules and all(imported.name == imported.alias.name for imported in names):
        return []
    if len(targets) == 1 and not modules and node.names[0].name != "*":
        return _in_place(source, node, names, targets[0])
    comments = _Comments.of(source, node)
    start, end = source.span(node)
    indent = source.before_in_line(start)
    # What is left of the former system comes last.
    targets.sort(key=lambda module: (module == node.module and not module.startswith("shared"), module))
    lines = [f"import {module}" for module in modules]
    for target in targets:
        group = [imported for imported in names if imported.module == target]
        lines.append(_statement(source, target, group, comments, indent))
    return [Edit(start, end, _joined(source, lines, indent))]


def import_edits(source: Source, node: ast.Import, parts: Sequence[Sequence[str]]) -> list[Edit]:
    """What changes in `import …` when each of its names becomes other ones, or none."""
    before = [f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names]
    if [list(part) for part in parts] == [[name] for name in before]:
        return []
    if len(parts) == 1:
        start, end = source.span(node)
        lines = [f"import {name}" for name in parts[0]]
        return [Edit(start, end, _joined(source, lines, source.before_in_line(start)))]
    return [
        Edit(*source.span(alias), ", ".join(part))
        for alias, name, part in zip(node.names, before, parts, strict=True)
        if list(part) != [name]
    ]


def _in_place(source: Source, node: ast.ImportFrom, names: Sequence[Imported], target: str) -> list[Edit]:
    edits: list[Edit] = []
    if target != node.module:
        start, _ = source.span(node)
        tokens = tokens_of(source.text_of(node))
        first = tokens[1]
        last = tokens[next(index for index, token in enumerate(tokens) if token.string == "import") - 1]
        edits.append(Edit(_place(source, node, first.start), _place(source, node, last.end), target))
        assert edits[0].start > start
    edits += [
        Edit(*source.span(imported.alias), imported.text) for imported in names if imported.name != imported.alias.name
    ]
    return edits


def _place(source: Source, node: ast.stmt, position: tuple[int, int]) -> int:
    """Where a token of a statement is in the file."""
    row, column = position
    start, _ = source.span(node)
    return start + column if row == 1 else source.offset(node.lineno + row - 1, 0) + column


def _joined(source: Source, lines: Sequence[str], indent: str) -> str:
    # After `if x:` or a semicolon the statements have to stay in the line.
    return (f"{source.line_end}{indent}" if not indent.strip() else "; ").join(lines)


@dataclass(slots=True)
class _Comments:
    """The comments inside a statement: of the line that opens it, and before, beside and after each name."""

    opening: str = ""
    before: dict[str, list[str]] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)
    indent: str | None = None

    @classmethod
    def of(cls, source: Source, node: ast.ImportFrom) -> _Comments:
        found = cls()
        waiting: list[str] = []
        place = {_relative(source, node, alias): _key(alias) for alias in node.names if alias.name != "*"}
        ends: dict[int, str] = {}
        for token in tokens_of(source.text_of(node)):
            row = token.start[0]
            if token.start in place:
                key = place[token.start]
                found.before[key] = waiting
                waiting = []
                ends[row] = key
                if row > 1 and found.indent is None:
                    found.indent = token.line[: len(token.line) - len(token.line.lstrip())]
            elif token.type == tokenize.NAME and ends:
                ends[row] = list(ends.values())[-1]  # the `as x` of a name may stand in the next line
            elif token.type == tokenize.COMMENT:
                if row in ends:
                    found.beside[ends[row]] = token.string
                elif not ends and row == 1:
                    found.opening = token.string
                else:
                    waiting.append(token.string)
        found.after = waiting
        return found

    def any_of(self, keys: Sequence[str]) -> bool:
        return bool(self.opening or any(self.before.get(key) or self.beside.get(key) for key in keys))


def _relative(source: Source, node: ast.stmt, alias: ast.alias) -> tuple[int, int]:
    """Row and column of a name as the tokens of its statement have them."""
    start, _ = source.span(node)
    at, _ = source.span(alias)
    row = alias.lineno - node.lineno + 1
    return row, at - (start if row == 1 else source.offset(alias.lineno, 0))


def _key(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}"


def _statement(source: Source, module: str, names: Sequence[Imported], comments: _Comments, indent: str) -> str:
    keys = [_key(imported.alias) for imported in names]
    line = f"from {module} import {', '.join(imported.text for imported in names)}"
    is_last_with_comments = bool(comments.after and comments.before and keys and keys[-1] == list(comments.before)[-1])
    if not comments.any_of(keys) and not is_last_with_comments and len(indent) + len(line) <= _LINE_LENGTH:
        return line
    end = source.line_end
    outer = indent if not indent.strip() else ""
    inner = comments.indent if comments.indent is not None else f"{outer}\t" if "\t" in outer else f"{outer}    "
    out = io.StringIO()
    out.write(f"from {module} import ({'  ' + comments.opening if comments.opening else ''}{end}")
    for imported, key in zip(names, keys, strict=True):
        for comment in comments.before.get(key, ()):
            out.write(f"{inner}{comment}{end}")
        beside = comments.beside.get(key)
        out.write(f"{inner}{imported.text},{'  ' + beside if beside else ''}{end}")
    for comment in comments.after if is_last_with_comments else ():
        out.write(f"{inner}{comment}{end}")
    out.write(f"{outer})")
    return out.getvalue()
