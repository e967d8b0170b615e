"""A reader who follows the documentation arrives: links and anchors resolve, pages are in the index, names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev.examples import is_shipped
from tests.support.documentation import (
    CHANGELOG,
    CONTRIBUTING,
    README,
    ROOT,
    anchors,
    blocks,
    links,
    name_of,
    pages,
    prose,
    read,
)

PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), CONTRIBUTING, CHANGELOG]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_and_its_anchor_resolve(page: Path):
    broken: list[str] = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_the_index_has_every_page_once():
    in_order = pages()
    assert len(in_order) == len(set(in_order))
    assert set(in_order) == {README, *(ROOT / "docs").rglob("*.md")}


def test_the_readme_names_every_page_too():
    named = {(ROOT / target.partition("#")[0]).resolve() for target in links(README) if target.startswith("docs/")}
    assert named == set(pages()) - {README}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_title_and_no_two_headings_alike(page: Path):
    headings = re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)
    assert [level for level, _ in headings].count("#") == 1
    assert headings[0][0] == "#"
    if page != CHANGELOG:
        assert len({text for _, text in headings}) == len(headings)


def paths_in_the_picture() -> set[str]:
    """The paths of README's picture of the house: what stands in its first column, below the folder that it is in."""
    picture = next(content for language, content in blocks(README) if not language and "function_app.py" in content)
    found: set[str] = set()
    folder = ""
    for line in picture.splitlines():
        if re.match(r" {10}", line):
            continue  # what an entry goes on with
        names = re.split(r" {3,}", line.strip(), maxsplit=1)[0].split()
        if line.startswith(" "):
            found |= {f"{folder}/{name.rstrip('/')}" for name in names}
        else:
            found |= {name.rstrip("/") for name in names}
            folder = names[0].rstrip("/")
    return found


def rooms(folder: str) -> set[str]:
    return {name_of(path.parent) for path in (ROOT / folder).glob("*/__init__.py")}


def test_the_picture_of_the_house_is_true():
    shown = paths_in_the_picture()
    assert {path for path in shown if not (ROOT / path).exists()} == set()
    assert rooms("shared") | rooms("functions") <= shown
    in_the_project = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert in_the_project <= shown


# Paths below the project, and patterns of them; `…` and the like are no part of one.
_PATH = re.compile(r"`((?:shared|functions|tests|dev|docs|workspace|clients|infra)/[\w./*-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_the_text_names_exists(page: Path):
    if page == CHANGELOG:
        return  # tells of what is gone, too
    missing = [path for path in _PATH.findall(prose(page)) if not any(ROOT.glob(path.rstrip("/")))]
    # What the reader writes is not there yet.
    assert [path for path in missing if is_shipped(path)] == []


def test_what_stands_against_each_risk_is_where_the_table_says():
    page = ROOT / "tests" / "security" / "README.md"
    named = set(re.findall(r"`((?:unit|integration|e2e)/[\w./]+)`", read(page)))
    assert named
    assert {path for path in named if not (ROOT / "tests" / path).exists()} == set()
    alone = set(re.findall(r"`(test_\w+\.py)`", read(page)))
    assert {name for name in alone if not any((ROOT / "tests").rglob(name))} == set()
    functions = set(re.findall(r"`(test_\w+)`", read(page)))
    source = "".join(read(path) for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in functions if f"def {name}(" not in source} == set()
