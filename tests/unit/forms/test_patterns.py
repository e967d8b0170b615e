"""What a regular expression weighs."""

from __future__ import annotations

import pytest

from shared.forms.patterns import TOO_HEAVY, weight_of


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("", 0, 0),
        ("urgent", 6, 6),
        ("^[A-Z]{2}[0-9]{8}$", 20, 100),
        (r"^[\w.+-]+@[\w-]+\.[a-z]{2,9}$", 80, 200),
        (r"\w", 40, 40),
        ("(a{90}){90}", 8100, 10_000),
        ("((a{9}b){9}|c){9,}", 700, 1200),
        ("(a{90})*{90}", 8100, 10_000),
        ("(?:a{90}){90}", 8100, 10_000),
        ("(?P<name>a{90}){90}", 8100, 10_000),
        ("(?<name>a{90}){90}", 8100, 10_000),
        (r"(a{90}\)){90}", 8100, 10_000),
        ("(a{90}[)]){90}", 8100, 10_000),
        ("(a{90}[](]){90}", 8100, 10_000),
        ("a{2}{3}{4}", 24, 100),
        (r"\x{41}\p{Greek}", 41, 41),
        ("(?i)urgent", 12, 12),
    ],
)
def test_a_pattern_weighs_what_its_counts_make_of_it(pattern: str, least: int, most: int):
    assert least <= weight_of(pattern) <= most


@pytest.mark.parametrize("pattern", ["[a[b]]", "(?x)a # (", "(a", "a)", "(?ix:a)"])
def test_what_cannot_be_weighed_is_too_heavy(pattern: str):
    assert weight_of(pattern) == TOO_HEAVY


def test_counts_of_any_size_are_weighed():
    assert weight_of("a{99999999999999999999}") > 10**19
