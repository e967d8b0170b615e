"""The address that refused calls are counted by."""

from __future__ import annotations

import pytest

from shared.access.client_address import client_address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.7:50000", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7:1234", "203.0.113.7"),
        ("[2001:db8:1:2::7]:443", "20010db800010002::/64"),
        ("2001:db8:1:2::8", "20010db800010002::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_it_is_the_last_one_that_the_front_end_has_added(header: str, address: str):
    assert client_address({"x-forwarded-for": header}, hosted=True) == address


def test_without_a_front_end_the_header_says_nothing():
    assert client_address({"x-forwarded-for": "203.0.113.7"}, hosted=False) == "unknown"
    assert client_address({}, hosted=True) == "unknown"
