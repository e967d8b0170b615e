"""Regular expressions of forms: what they cost, in an expression or as a field's rule, and whether a text is one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

# Of the rule of one field, and of all fields of a form together: to compile them takes time, too.
HEAVIEST_RULE = 2000
HEAVIEST_RULES = 4000
# Of a submission: the weight of each rule by the characters that it is held against, all of them together.
MOST_WORK = 6_000_000
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


class UnusablePatternError(ValueError):
    """A text is no regular expression, or one with look-around or back references."""


def is_whole(pattern: str, text: str) -> bool:
    """Whether the whole text is what the pattern says.

    The engine is pydantic's own: its time grows only with the text's length, whoever wrote the text; see `weight_of`.

    Raises:
        UnusablePatternError: the pattern is none that it takes.
    """
    adapter = _compiled(pattern)
    if adapter is None:
        raise UnusablePatternError(pattern)
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


def is_usable(pattern: str) -> bool:
    """Whether `is_whole` takes the pattern.

    Args:
        pattern: weighed before, for compiling a heavy one takes long; one that is not `TOO_HEAVY` has no group too few.
    """
    return _compiled(pattern) is not None


@lru_cache(maxsize=500)
def _compiled(pattern: str) -> TypeAdapter[str] | None:
    # In a group, so that all of `a|b` is meant; the second is for a pattern that ends in a comment.
    for anchored in (rf"\A(?:{pattern})\z", rf"\A(?:{pattern}" + "\n)\\z"):
        try:
            return TypeAdapter(Annotated[str, Field(pattern=anchored)])
        except SchemaError:
            continue
    return None


@lru_cache(maxsize=2000)
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
