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


def option(label: str, value: Any, metadata: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"label": label, "value": value, "metadata": metadata, **more}


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
        (
            [
                {
                    "icon": "a.png",
                    "value": "a",
                    "sizes": (1, Decimal(2)),
                    "metadata": {"n": 1},
                    "label": "A",
                    "gone": None,
                }
            ],
            [option("A", "a", {"n": 1}, icon="a.png", sizes=[1, "2"], gone=None)],
        ),
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
        (EndpointResponse([]), "it returned EndpointResponse, not"),
        (["a", {"id": 1, "name": "x"}], "item 1 of what it returned has 'id', 'name' and no value; an option has"),
        ([{f"key{n}": n for n in range(9)}], "'key4', 4 more and no value; an option has"),
        ([{"x" * 1000: 1}], "has 'x{40}…' and no value; an option"),
        ([{"label": "A"}], "item 0 of what it returned has 'label' and no value"),
        ([{}], "item 0 of what it returned has no value"),
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


def test_what_else_stands_beside_an_option_counts_for_the_size():
    with pytest.raises(ProviderFailedError, match="more than 10485760 bytes"):
        options_of([{"value": n, "picture": "x" * (MAX_VALUE_BYTES // 10)} for n in range(11)])


def test_a_list_that_would_have_to_be_cut_is_refused():
    half = "x" * (MAX_VALUE_BYTES // 20)
    assert len(options_of([half] * 19)) == 19
    for count in (20, 23, 200):
        with pytest.raises(ProviderFailedError, match="more than 10485760 bytes"):
            options_of([half] * count)
