"""Coroutines that nobody awaited: where the author made them, and what to write."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from shared.runtime.calls import describe_line

_MOST_NAMED = 5


def remember_origins() -> None:
    """Has each coroutine that this thread makes from now on know the line that it was made at.

    https://docs.python.org/3/library/sys.html#sys.set_coroutine_origin_tracking_depth
    """
    sys.set_coroutine_origin_tracking_depth(1)


def describe_unawaited(awaitables: Sequence[Any]) -> tuple[str, str | None]:
    """A sentence about awaitables in a result, and the line of the first one. Ends those that have not begun."""
    described = [_described(each) for each in awaitables[:_MOST_NAMED]]
    places = [place for _, place in described if place is not None]
    more = f", and {len(awaitables) - _MOST_NAMED} more" if len(awaitables) > _MOST_NAMED else ""
    for each in awaitables:
        # Python would warn of it besides, at a line that has nothing to do with it.
        if inspect.iscoroutine(each) and inspect.getcoroutinestate(each) == inspect.CORO_CREATED:
            each.close()
    named = ", ".join(f"{name} ({place})" if place is not None else name for name, place in described)
    first = described[0][0]
    if inspect.isasyncgen(awaitables[0]):
        advice = f"collect its items: [item async for item in {first}(…)]"
    else:
        advice = f"write: await {first}{'' if isinstance(awaitables[0], asyncio.Future) else '(…)'}"
    return f"The result holds what nobody awaited: {named}{more}; {advice}", places[0] if places else None


def _described(awaitable: Any) -> tuple[str, str | None]:
    """What it is called, and the line that it was made at or, where that is not known, that it begins at."""
    if isinstance(awaitable, asyncio.Task):
        name, place = _described(awaitable.get_coro())
        return f"the task of {name}", place
    code = getattr(awaitable, "cr_code", None) or getattr(awaitable, "ag_code", None)
    if code is None:
        return type(awaitable).__qualname__, None
    origin = getattr(awaitable, "cr_origin", None)
    if origin:
        file, line, function = origin[0]
        return code.co_name, describe_line(file, line, function)
    return code.co_name, describe_line(code.co_filename, code.co_firstlineno, code.co_name)
