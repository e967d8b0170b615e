"""Python files as authors wrote them: read with encoding and line ends, changed in exact ranges, replaced whole."""

from __future__ import annotations

import ast
import bisect
import contextlib
import os
import re
import shutil
import tempfile
import tokenize
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# What ends a line for Python's own parser; str.splitlines() knows more.
_LINE_END = re.compile(r"\r\n|\r|\n")


class UnreadableError(Exception):
    """The file can't be read as Python; `line` is where, None when there is none to name."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


class WriteError(Exception):
    """The file could not be replaced, and is as it was; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """What stands from `start` up to `end` in the text is replaced."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, and where the nodes of its syntax tree stand in it.

    Attributes:
        raw: the bytes that were read.
        text: without a byte order mark, with the line ends that are in the file.
        encoding: `utf-8-sig` when there is a byte order mark.
    """

    raw: bytes
    text: str
    encoding: str
    tree: ast.Module
    _starts: list[int] = field(repr=False)

    @classmethod
    def of(cls, raw: bytes) -> Source:
        """The bytes of a file, parsed.

        Raises:
            UnreadableError: they are no Python that this interpreter knows, or can't be written as they were.
        """
        try:
            encoding, _ = tokenize.detect_encoding(iter(raw.splitlines(keepends=True)).__next__)
            text = raw.decode(encoding)
        except SyntaxError as error:
            raise UnreadableError(str(error.msg)) from None
        except UnicodeDecodeError as error:
            raise UnreadableError(f"is not {error.encoding}", raw.count(b"\n", 0, error.start) + 1) from None
        tree = _parsed(text)
        if text.encode(encoding) != raw:
            raise UnreadableError(f"can't be written in {encoding} as it was read")
        return cls(raw, text, encoding, tree, [0, *(end.end() for end in _LINE_END.finditer(text))])

    def offset(self, line: int, column: int) -> int:
        """The index in the text of a position as syntax trees have it: lines from 1, columns in bytes of UTF-8."""
        start = self._starts[line - 1]
        if column and not self.text.isascii():
            width = len(self.line(line).encode("utf-8", "surrogatepass")[:column].decode("utf-8", "surrogatepass"))
            return start + width
        return start + column

    def line(self, number: int) -> str:
        """A line with its end."""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end]

    def line_of(self, offset: int) -> int:
        """The number of the line that a place in the text is in."""
        return bisect.bisect_right(self._starts, offset)

    def span(self, node: ast.expr | ast.stmt | ast.alias | ast.arg | ast.keyword) -> tuple[int, int]:
        """From where to where a node's text goes."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def text_of(self, node: ast.expr | ast.stmt | ast.alias | ast.arg | ast.keyword) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def before_in_line(self, offset: int) -> str:
        """What stands before a place in its line."""
        return self.text[self._starts[self.line_of(offset) - 1] : offset]

    @property
    def line_end(self) -> str:
        """How lines end: as the first one does."""
        found = _LINE_END.search(self.text)
        return found[0] if found else "\n"

    def changed(self, edits: Iterable[Edit]) -> bytes:
        """The file with the edits made.

        Raises:
            UnreadableError: it would be no Python any more.
        """
        parts: list[str] = []
        at = 0
        for edit in sorted(edits):
            assert edit.start >= at, "edits must not overlap"
            parts += [self.text[at : edit.start], edit.text]
            at = edit.end
        text = "".join([*parts, self.text[at:]])
        _parsed(text)
        return text.encode(self.encoding)


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the author's code come when it is imported
            return ast.parse(text)
    except SyntaxError as error:
        raise UnreadableError(str(error.msg), error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(str(error) or type(error).__name__) from None


def lines_in(text: str) -> int:
    """How many lines end in a text."""
    return len(_LINE_END.findall(text))


def tokens_of(text: str) -> list[tokenize.TokenInfo]:
    """The tokens of one statement; rows from 1, columns in characters."""
    lines = [f"{line}\n" for line in _LINE_END.split(text)]
    return list(tokenize.generate_tokens(iter([*lines, ""]).__next__))


def replace(path: Path, before: bytes, after: bytes) -> None:
    """Puts `after` into the place of a file that has `before`, in one step: nobody ever sees half of it.

    Raises:
        WriteError: it is read-only, has changed since it was read, or can't be replaced.
    """
    try:
        # Replacing it would need no right to write to it, only one to its folder.
        if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
            raise WriteError("is read-only")
        if path.read_bytes() != before:
            raise WriteError("was changed meanwhile; run this again")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".adopt")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, name)
            Path(name).replace(path)
        except BaseException:
            # Whatever ends it, Ctrl-C included, no stray file is left.
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise WriteError(f"can't be replaced: {error.strerror or error}") from error
