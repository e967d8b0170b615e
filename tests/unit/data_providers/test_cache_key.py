"""Which calls of a data provider have one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from shared.context import Caller, Organization
from shared.data_providers.cache_key import CacheKey, cache_key
from shared.decorators import data_provider, metadata_of
from shared.engine import ExecutionRequest, prepare
from shared.registry import FunctionMetadata, FunctionRegistry, get_registry
from tests.unit.conftest import request

Ask = Callable[..., CacheKey | None]


def ask(function: Callable[..., Any], caller: Caller | None = None, **fields: Any) -> CacheKey | None:
    metadata = metadata_of(function)
    assert metadata is not None
    get_registry().clear_all()
    get_registry().register_function(metadata)
    known = {name: fields.pop(name) for name in list(fields) if name in ExecutionRequest.__dataclass_fields__}
    if caller is not None:
        known["caller"] = caller
    asked = request(name=metadata.name, parameters=fields, use="data_provider", **known)
    return cache_key(
        metadata,
        scope=asked.scope,
        caller=(asked.caller.user_id, asked.is_platform_admin, asked.is_function_key),
        given=asked.parameters,
        valid=prepare(asked).parameters,
    )


def key(function: Callable[..., Any], **fields: Any) -> str:
    found = ask(function, **fields)
    assert found is not None
    return found.digest


@data_provider(name="anything")
def anything(**values: Any) -> list[Any]:
    return []


@data_provider(name="typed")
def typed(number: int = 1, day: date = date(2026, 1, 1), title: str | None = None) -> list[Any]:
    return []


@data_provider(name="personal", cache_per="user")
def personal() -> list[Any]:
    return []


def test_a_number_and_its_text_are_two_values():
    values = [1, "1", True, "true", 1.5, None, "null", [1], ["1"], {}, [], ""]
    assert len({key(anything, a=value) for value in values}) == len(values)


def test_the_order_of_keys_does_not_matter_and_that_of_items_does():
    assert key(anything, a={"x": 1, "y": {"p": 1, "q": 2}}, b=2) == key(
        anything, b=2, a={"y": {"q": 2, "p": 1}, "x": 1}
    )
    assert key(anything, a=[1, 2]) != key(anything, a=[2, 1])


def test_parameters_count_as_they_reach_the_function():
    assert key(typed, number="3") == key(typed, number=3) != key(typed, number=4)
    assert key(typed) == key(typed, number=1) == key(typed, number=None)
    assert key(typed, title="x") != key(typed)


def test_values_that_json_does_not_know_count_as_they_were_given():
    assert key(typed, day="2026-02-01") == key(typed, day="2026-02-01") != key(typed, day="2026-02-02")
    assert ask(typed, day=date(2026, 2, 1)) is None


def test_scopes_never_share_and_users_share_unless_the_provider_is_personal():
    one, other = Caller("one"), Caller("other")
    organizations = [None, Organization("a", "A"), Organization("b", "B")]
    assert len({key(anything, organization=organization) for organization in organizations}) == 3
    assert key(anything, caller=one) == key(anything, caller=other)
    assert key(personal, caller=one) != key(personal, caller=other)
    assert key(personal, caller=one) != key(personal, caller=one, is_platform_admin=True)
    assert key(personal, caller=one) != key(personal, caller=one, organization=Organization("a", "A"))


def test_other_code_or_another_ttl_is_another_question(registry: FunctionRegistry):
    def asked(**fields: Any) -> str:
        given = {"name": "f", "function": list, "tags": ["data_provider"], "code_version": "v1", **fields}
        metadata = FunctionMetadata(**given)
        found = cache_key(metadata, scope="GLOBAL", caller=("u1", False, False), given={}, valid={})
        assert found is not None
        return found.digest

    same = asked()
    assert asked() == same
    assert len({same, asked(code_version="v2"), asked(cache_ttl_seconds=1), asked(name="g")}) == 4
    # Of a function that no workspace holds, each is its own.
    assert asked(code_version=None) != asked(code_version=None)


def test_a_provider_that_says_never_has_no_question():
    @data_provider(name="never", cache_ttl_seconds=0)
    def never() -> list[Any]:
        return []

    assert ask(never) is None


@dataclass
class Point:
    x: int
    y: int


@data_provider(name="near")
def near(point: Point) -> list[Any]:
    return []


def test_objects_count_by_the_json_that_they_were_made_of():
    found = ask(near, point={"x": 1, "y": 2})
    assert found is not None
    assert key(near, point={"y": 2, "x": 1}) == found.digest != key(near, point={"x": 2, "y": 1})
    assert replace(found, digest="") == CacheKey("", "GLOBAL", "near", found.version, found.place, 300, False)


@pytest.mark.parametrize("name", ["personal", "anything"])
def test_a_key_is_fit_for_a_table(name: str):
    found = key(personal if name == "personal" else anything)
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")
