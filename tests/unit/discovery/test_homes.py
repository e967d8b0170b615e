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


def test_who_comes_later_joins_the_home_where_a_client_has_been_used():
    clients, orders = module("shop_clients", LOCK=asyncio.Lock()), module("orders")
    orders.LOCK = clients.LOCK  # type: ignore[attr-defined]
    before = homes_of({"shop_clients": clients, "orders": orders})
    billing = module("billing", LOCK=clients.LOCK)
    modules = {"shop_clients": clients, "orders": orders, "billing": billing}
    after = homes_of(modules, before)
    assert after == dict.fromkeys(modules, before["shop_clients"])
    # Made anew, the helper has a lock that nobody has used.
    assert set(homes_of(modules).values()) == {"billing"}
