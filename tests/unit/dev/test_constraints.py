"""Route constraints: what .NET takes for an int, a guid and so on."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.host.constraints import make_constraint


@pytest.mark.parametrize(
    ("constraint", "value", "allowed"),
    [
        ("int", "2147483647", True),
        ("int", "2147483648", False),
        ("int", "-1", True),
        ("int", "1.0", False),
        ("int", "", False),
        ("int", "١", False),
        ("long", "2147483648", True),
        ("long", "9223372036854775808", False),
        ("bool", "TRUE", True),
        ("bool", "1", False),
        ("datetime", "2025-01-31", True),
        ("datetime", "2025-01-31T10:00:00Z", True),
        ("datetime", "1/31/2025 10:30 PM", True),
        ("datetime", "2025-02-30", False),
        ("datetime", "20250131", False),
        ("decimal", "1,234.5", True),
        ("decimal", "1e3", False),
        ("double", "1e3", True),
        ("float", "-Infinity", True),
        ("float", "x", False),
        ("guid", "0F4C1D6E111142228333444455556666", True),
        ("guid", "{0f4c1d6e-1111-4222-8333-444455556666}", True),
        ("guid", "{0f4c1d6e-1111-4222-8333-444455556666)", False),
        ("guid", "0f4c1d6e", False),
        ("alpha", "abC", True),
        ("alpha", "ab1", False),
        ("alpha", "ä", False),
        ("required", "x", True),
    ],
)
def test_plain_constraints(constraint: str, value: str, allowed: bool) -> None:
    assert make_constraint(constraint, None)(value) is allowed


@pytest.mark.parametrize(
    ("constraint", "arguments", "allowed", "refused"),
    [
        ("minlength", "3", "abc", "ab"),
        ("maxlength", "3", "abc", "abcd"),
        ("length", "3", "abc", "ab"),
        ("length", "2,3", "ab", "abcd"),
        ("min", "18", "18", "17"),
        ("max", "120", "120", "121"),
        ("max", "120", "-5", "x"),
        ("range", "18,120", "18", "121"),
        ("regex", "^[a-c]+$", "ABC", "abd"),
        ("regex", "b", "abc", "ac"),
    ],
)
def test_constraints_with_arguments(constraint: str, arguments: str, allowed: str, refused: str) -> None:
    check = make_constraint(constraint, arguments)
    assert check(allowed)
    assert not check(refused)


@pytest.mark.parametrize(
    ("constraint", "arguments"), [("int", "3"), ("min", None), ("min", "x"), ("range", "1"), ("word", None)]
)
def test_constraints_that_can_not_be_are_refused(constraint: str, arguments: str | None) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make_constraint(constraint, arguments)


@given(st.integers())
def test_every_integer_is_a_long_exactly_within_its_bounds(number: int) -> None:
    assert make_constraint("long", None)(str(number)) is (-(2**63) <= number < 2**63)


@given(st.uuids())
def test_every_guid_is_one(value: uuid.UUID) -> None:
    check = make_constraint("guid", None)
    assert check(str(value))
    assert check(value.hex.upper())


@given(st.floats())
def test_every_number_is_a_double(number: float) -> None:
    text = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(number), str(number))
    assert make_constraint("double", None)(text)


@given(st.text())
def test_no_text_breaks_a_constraint(text: str) -> None:
    for name in ("int", "long", "bool", "datetime", "decimal", "double", "float", "guid", "alpha", "required"):
        assert make_constraint(name, None)(text) in (True, False)
