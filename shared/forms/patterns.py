"""What a regular expression costs that stands in an expression of a form."""

from __future__ import annotations

import re

TOO_HEAVY = 1_000_000_000
_OF_UNICODE = 40
_OF_ANY_CHARACTER = 4
_PIECE = re.compile(
    r"""(?P<count>\{([0-9]+)(,?)([0-9]*)\})
    |(?P<repeated>[*+?])
    |(?P<flags>\(\?[A-Za-z-]+[:)])
    |(?P<opens>\((?:\?P?<[^>]*>)?)
    |(?P<closes>\))
    |(?P<class>\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\[\]\\])*\])
    |(?P<nested>\[)
    |(?P<unicode>\\(?:[wWdDsSbB]|[pP](?:\{[^}]*\}|.)))
    |(?P<any>\.)
    |(?P<one>\\[xuU]\{[^}]*\}|\\.|.)""",
    re.VERBOSE | re.DOTALL,
)
_UNICODE_IN_CLASS = re.compile(r"\\[wWdDsSpP]")


def weight_of(pattern: str) -> int:
    """How heavy a regular expression is: about the number of its characters, more for classes of Unicode such as
    `\\w`, and all of it as often as a count such as `{2,50}` repeats it.

    A pattern of weight n takes up to n * 15 µs to compile, and to hold it against a character up to n * 15 ns. One that
    can't be weighed, with a class inside of a class, say, is `TOO_HEAVY`.
    """
    # For each group that is open, the weights of its pieces so far.
    groups: list[list[int]] = [[]]
    factor = 1
    for piece in _PIECE.finditer(pattern):
        kind, text, pieces = piece.lastgroup, piece[0], groups[-1]
        if kind == "opens":
            groups.append([])
        elif kind == "closes" and len(groups) > 1:
            groups.pop()
            groups[-1].append(sum(pieces))
        elif kind == "count" and pieces:
            pieces[-1] *= 1 + max(int(count or 0) for count in (piece[2], piece[4]))
        elif kind == "flags":
            if "x" in text:
                return TOO_HEAVY
            factor = 2 if "i" in text else factor
            if text.endswith(":"):
                groups.append([])
        elif kind in ("nested", "closes"):
            return TOO_HEAVY
        elif kind != "repeated":
            pieces.append(_weight_of_piece(kind, text))
    return factor * sum(groups[0]) if len(groups) == 1 else TOO_HEAVY


def _weight_of_piece(kind: str | None, text: str) -> int:
    if kind == "unicode":
        return _OF_UNICODE
    if kind == "class":
        ranges = _OF_ANY_CHARACTER + len(text) // 4
        return ranges + _OF_UNICODE * len(_UNICODE_IN_CLASS.findall(text))
    return _OF_ANY_CHARACTER if kind == "any" else 1
