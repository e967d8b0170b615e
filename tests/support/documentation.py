"""The documentation as a reader finds it: README.md, then the pages of docs/ in the order of their index."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
INDEX = ROOT / "docs" / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CHANGELOG = ROOT / "CHANGELOG.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*([^)\s]+)\s*\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """README.md, and the pages of docs/ in reading order."""
    linked = [(INDEX.parent / target).resolve() for target in links(INDEX) if "/" not in target]
    return [README, INDEX, *linked]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    """Its path below the project's folder."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of code of a page: language and content."""
    return _BLOCK.findall(read(page))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", read(page))


def links(page: Path) -> list[str]:
    """The targets of a page's links, in its order."""
    return _LINK.findall(_CODE_SPAN.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """What can stand behind `#`: each heading as GitHub names it."""
    found: list[str] = []
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        again = sum(1 for anchor in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor))
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


def section(page: Path, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    _, found, below = read(page).partition(f"\n{heading}\n")
    assert found, f"{name_of(page)} has no heading {heading!r}"
    return re.split(r"^#{1,6} ", below, maxsplit=1, flags=re.MULTILINE)[0]
