"""What data providers may return, and what they are told when it is something else."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from shared.context import EndpointResponse
from shared.data_providers.options import options_of
from shared.errors import ProviderFailedError
from shared.serialization import MAX_VALUE_BYTES


@dataclass
class Country:
    value: str
    label: str


def option(label: str, value: Any, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"label": label, "value": value, "metadata": metadata}


@pytest.mark.parametrize(
    ("returned", "options"),
    [
        ([], []),
        ((), []),
        (["a", "b"], [option("a", "a"), option("b", "b")]),
        ([1, 2.5, 0, ""], [option("1", 1), option("2.5", 2.5), option("0", 0), option("", "")]),
        ([("de", "Germany")], [option("Germany", "de")]),
        ({"de": "Germany", "fr": "France"}.items(), [option("Germany", "de"), option("France", "fr")]),
        ([(False, "No"), (None, "Unknown"), (0, 0)], [option("No", False), option("Unknown", None), option("0", 0)]),
        ([{"value": "de"}], [option("de", "de")]),
        ([{"value": 7, "label": None, "metadata": None}], [option("7", 7)]),
        ([{"label": "No", "value": False}], [option("No", False)]),
        ([{"label": 2024, "value": {"year": 2024}}], [option("2024", {"year": 2024})]),
        ([{"label": "A", "value": "a", "metadata": {"n": 1}}], [option("A", "a", {"n": 1})]),
        ([Country("de", "Germany")], [option("Germany", "de")]),
        ([Decimal("1.50")], [option("1.50", "1.50")]),
        ({"b", "a"}, [option("a", "a"), option("b", "b")]),
        (["a", ("b", "B"), {"value": "c"}], [option("a", "a"), option("B", "b"), option("c", "c")]),
    ],
)
def test_options_come_out_with_label_value_and_metadata(returned: Any, options: list[Any]):
    assert options_of(returned) == options


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "it returned NoneType, not a list of options"),
        ("text", "it returned str, not a list of options"),
        (b"bytes", "it returned bytes, not"),
        ({"de": "Germany"}, "it returned dict, not"),
        ((number for number in (1, 2)), "it returned generator, not"),
        (EndpointResponse([]), "it returned EndpointResponse, not"),
        (["a", {"id": 1, "name": "x"}], "item 1 of what it returned has 'id', 'name'; an option has label, value and"),
        ([{f"key{n}": n for n in range(9)}], "'key4' and 4 more; an option has"),
        ([{"x" * 1000: 1}], "has 'x{40}…'; an option"),
        ([{"label": "A"}], "item 0 of what it returned has no value"),
        ([{"value": True}], "item 0 of what it returned has no label, and its value is no text or number"),
        ([{"value": {}}], "has no label"),
        ([{"value": 1, "label": ["x"]}], "has a label that is a list, not a text"),
        ([{"value": 1, "metadata": "x"}], "has metadata that is a text, not an object"),
        ([("a", "b", "c")], "item 0 of what it returned is a list of 3 items; a pair is"),
        ([[{"a": 1}, "b"]], "is a pair whose value is no plain value"),
        ([("a", None)], "has a label that is null"),
        ([*range(7), None], "item 7 of what it returned is null; an option is"),
        ([True], "item 0 of what it returned is true; an option is"),
    ],
)
def test_what_is_no_list_of_options_is_refused_with_the_item_named(returned: Any, message: str):
    with pytest.raises(ProviderFailedError, match=message):
        options_of(returned)


def test_a_list_that_would_have_to_be_cut_is_refused():
    half = "x" * (MAX_VALUE_BYTES // 20)
    assert len(options_of([half] * 19)) == 19
    for count in (20, 23, 200):
        with pytest.raises(ProviderFailedError, match="more than 10485760 bytes"):
            options_of([half] * count)
