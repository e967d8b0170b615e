"""The "did you mean" of messages: the known name that is nearest to one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What is longer was never meant as a name, and what is compared is not to cost much: names come from outside.
_LONGEST = 100
_MOST_KNOWN = 5_000
_ALIKE = 0.6


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, whatever its case and its `_` and `-`; None when none is like it."""
    if len(name) > _LONGEST:
        return None
    by_letters: dict[str, str] = {}
    for each in known:
        by_letters.setdefault(_letters(each), each)
        if len(by_letters) == _MOST_KNOWN:
            break
    found = difflib.get_close_matches(_letters(name), by_letters, n=1, cutoff=_ALIKE)
    return by_letters[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What is put behind a sentence about an unknown name: `; did you mean 'greet'?`, or nothing.

    Args:
        name: the unknown one; may come from outside.
        known: those that there are, and that whoever reads the sentence may know of.
    """
    found = nearest(name, known)
    return f"; did you mean {str(found)!r}?" if found is not None else ""


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
