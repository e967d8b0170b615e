"""Names of files as strangers give them."""

from __future__ import annotations

import re
import unicodedata

# Control characters, line and paragraph separators, and halves of a character.
_UNSEEN = frozenset({"Cc", "Zl", "Zp", "Cs"})
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters, and blanks of no width.
_MISLEADING = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")


def clean_file_name(name: str) -> str:
    """A file's name without the folders before it, and without characters that only mislead: control characters, marks
    that turn the direction of text round (U+202E shows `fdp.exe` as `exe.pdf`), blanks around it. Empty when nothing
    is left.
    """
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    shown = "".join(char for char in base if unicodedata.category(char) not in _UNSEEN and char not in _MISLEADING)
    return shown.strip().rstrip(". ")
