"""Files that use one client, lock or other thing of a helper run on one event loop; others have one of their own."""

from __future__ import annotations

import asyncio
import functools
import types
from datetime import timedelta
from typing import Any

from shared.discovery.homes import homes_of


def module(name: str, **values: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(values)
    return made


def function_of(name: str) -> types.FunctionType:
    def function() -> None: ...

    function.__module__ = name
    return function


def test_modules_that_use_a_helpers_client_share_its_home():
    lock = asyncio.Lock()
    get_client = function_of("lazy")
    clients, lazy = module("clients", LOCK=lock), module("lazy", _client=None, get_client=get_client)
    cached = module("cached", make=functools.cache(len))
    found = homes_of(
        {
            each.__name__: each
            for each in (
                clients,
                lazy,
                cached,
                module("by_module", clients=clients),
                module("by_name", LOCK=lock),
                module("by_function", get_client=get_client),
                module("by_cache", cached=cached),
                module("alone", asyncio=asyncio),
            )
        }
    )
    assert found["by_module"] == found["by_name"] == found["clients"]
    assert found["by_function"] == found["lazy"]
    assert found["by_cache"] == found["cached"]
    assert len({found[name] for name in ("clients", "lazy", "cached", "alone")}) == 4


def test_helpers_that_keep_nothing_tie_nobody():
    common = module(
        "common", NAMES=["a"], LIMIT=3, WAIT=timedelta(seconds=1), BY_NAME={"a": 1}, parse=function_of("common")
    )
    users = [module(name, common=common, parse=common.parse) for name in ("first", "second")]
    assert homes_of({each.__name__: each for each in (common, *users)}) == {
        name: name for name in ("common", "first", "second")
    }


def test_ties_reach_through_several_helpers():
    session, pool = module("session", SESSION=object()), module("pool", POOL=object())
    found = homes_of(
        {
            "session": session,
            "pool": pool,
            "a": module("a", session=session),
            "b": module("b", session=session, pool=pool),
            "c": module("c", pool=pool),
        }
    )
    assert set(found.values()) == {"a"}
