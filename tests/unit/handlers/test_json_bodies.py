"""A body's JSON as Python has it; a number that no float can hold is refused wherever it stands."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRequestError
from shared.handlers.json_bodies import read_json

TOO_LARGE = [
    "1e999",
    "-1e400",
    "1E+309",
    "0.00001e400",
    "1e0000309",
    "2" + "0" * 308 + ".0",
    "-" + "9" * 400 + ".5",
    "9" * 215 + "e99",
    "9" * 215 + "E+99",
]
FINE = ["1e308", "-1.7976931348623157e+308", "1e-999", "0e999", "9" * 400, "-" + "1" * 4000, "0.1e2", "1e0000001"]
# The same number alone, deep inside, and among so many others that the text is searched before the values are.
BODIES = {
    "alone": "%s",
    "in a list": "[0, %s]",
    "deep inside": '{"a": [{"b": [1, {"c": %s}]}]}',
    "at the end of many": '{"rows": [' + '{"n": 1.5, "name": "e"},' * 100 + "%s]}",
    "before many": '{"first":%s\n, "rows": [' + '{"n": 1, "m": 2e2},' * 100 + "0]}",
    "among many of hexadecimal text": '["3e123","0e0001","a7e999",' * 30 + "%s" + "]" * 30,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("number", TOO_LARGE, ids=lambda number: number[:12])
def test_a_number_too_large_for_a_float_is_refused_with_these_words(body: str, number: str):
    with pytest.raises(BadRequestError, match="number that is too large"):
        read_json((body % number).encode())


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("number", FINE, ids=lambda number: number[:12])
def test_other_numbers_are_read_as_python_reads_them_and_large_ints_stay_ints(body: str, number: str):
    text = body % number
    assert read_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("padding", ["", '"e",' * 200])
def test_text_that_looks_like_such_a_number_is_text(padding: str):
    text = f'[{padding}"1e999", "x, 1e999, y", "{"9" * 500}.0", "\\"1e999,"]'
    assert read_json(text.encode()) == json.loads(text)


def test_a_body_of_nothing_but_places_like_these_is_read_whole():
    text = json.dumps({"keys": ["00e0001 " * 8] * 500})
    assert read_json(text.encode()) == json.loads(text)
    with pytest.raises(BadRequestError):
        read_json(text.replace('"keys"', '"n": 1e999, "keys"').encode())


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[Infinity]", b'{"a": -Infinity}', b"\xff", b"[" * 5000])
def test_what_is_no_json_says_so(body: bytes):
    with pytest.raises(ValueError, match=r".+"):
        read_json(body)


NUMBERS = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    st.integers(1, 320).flatmap(lambda digits: st.integers(10 ** (digits - 1), 10**digits - 1)).map(str),
    st.sampled_from(["", ".0", ".123"]),
    st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-", "0", "+00"]), st.integers(0, 1000))
    | st.just(""),
)


@given(st.lists(NUMBERS | st.text(max_size=5).map(json.dumps), min_size=1, max_size=5), st.sampled_from([0, 300]))
def test_every_number_is_refused_exactly_if_python_makes_infinity_of_it(items: list[str], others: int):
    text = f"[{'1,' * others}{', '.join(items)}]"
    expected: list[Any] = json.loads(text)
    if any(isinstance(value, float) and math.isinf(value) for value in expected):
        with pytest.raises(BadRequestError):
            read_json(text.encode())
    else:
        assert read_json(text.encode()) == expected
