"""What somebody may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_SHOWN = 3
# Comparing takes time by the square of the length, and no name that is known is nearly as long.
_LONGEST = 100


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known names that are like this one, as the end of a message about it.

    Args:
        name: as it was written.
        known: only names that whoever wrote it may see.

    Returns:
        `"; did you mean 'greet'?"`, with up to three names, or nothing when none is like it.
    """
    from difflib import get_close_matches  # only for what is wrong

    if len(name) > _LONGEST:
        return ""
    folded = {each.casefold(): each for each in known}
    close = [folded[each] for each in get_close_matches(name.casefold(), folded, n=_MOST_SHOWN, cutoff=0.68)]
    if not close:
        return ""
    return f"; did you mean {' or '.join(repr(each) for each in close)}?"
