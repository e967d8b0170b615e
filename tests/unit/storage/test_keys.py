"""Keys of table rows."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from shared.storage.keys import key_hash, key_text

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_a_key_holds_only_harmless_characters_whatever_the_text(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]*", key_text(text))
    assert len(key_text(text)) <= 200
    assert re.fullmatch(r"[0-9a-f]{32}", key_hash(text))


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_have_different_keys(one: str, other: str) -> None:
    assert (key_text(one) == key_text(other)) is (one == other)


def test_an_organization_id_is_its_own_key() -> None:
    assert key_text("0f4c1d6e-1111-4222-8333-444455556666") == "0f4c1d6e-1111-4222-8333-444455556666"
    assert key_text("GLOBAL") == "GLOBAL"


def test_an_escape_in_the_text_is_not_taken_for_one() -> None:
    assert key_text("_2f") != key_text("/")
    assert key_text(key_text("x" * 300)) != key_text("x" * 300)
