"""The inline constraints of routes, as ASP.NET Core has them.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

Constraint = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*\Z")
_DECIMAL = re.compile(r"\s*(?:[+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)|(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)[+-])\s*\Z")
_FLOAT = re.compile(
    r"\s*(?:[+-]?(?:(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|infinity|∞|nan))\s*\Z", re.IGNORECASE
)
_GUID = re.compile(
    r"\s*(?:[0-9a-f]{32}|(?P<open>[{(])?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?P<close>[})])?)\s*\Z",
    re.IGNORECASE,
)
_ALPHA = re.compile(r"[A-Za-z]*\Z")
# The forms of the invariant culture; .NET takes a few more.
_DATES = ("%m/%d/%Y", "%Y/%m/%d", "%d %B %Y", "%d %b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)


def make_constraint(name: str, arguments: str | None) -> Constraint:
    """The check behind `name` or `name(arguments)`.

    Raises:
        ValueError: there is no such constraint, or the arguments are not what it takes.
    """
    if arguments is None and name in _PLAIN:
        return _PLAIN[name]
    if arguments is not None and name in _WITH_ARGUMENTS:
        return _WITH_ARGUMENTS[name](arguments)
    raise ValueError(f"unknown route constraint {name}{'' if arguments is None else f'({arguments})'}")


def _integer(bounds: tuple[int, int], value: str) -> bool:
    return _INTEGER.match(value) is not None and bounds[0] <= int(value) <= bounds[1]


def _guid(value: str) -> bool:
    match = _GUID.match(value)
    return match is not None and (match["open"] or "", match["close"] or "") in (("", ""), ("{", "}"), ("(", ")"))


def _datetime(value: str) -> bool:
    text = value.strip()
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return any(_has_form(text, date + time) for date in _DATES for time in _TIMES)
    # .NET takes no basic format ("20250131"), which Python does.
    return "-" in text[:8]


def _has_form(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only the form is looked at
    except ValueError:
        return False
    return True


def _length(arguments: str) -> Constraint:
    low, _, high = arguments.partition(",")
    return partial(_between, int(low), int(high or low), len)


def _between(low: int | None, high: int | None, measure: Callable[[str], int], value: str) -> bool:
    measured = measure(value)
    return (low is None or measured >= low) and (high is None or measured <= high)


def _number_between(low: int | None, high: int | None, value: str) -> bool:
    return _integer(_INT64, value) and _between(low, high, int, value)


def _range(arguments: str) -> Constraint:
    low, _, high = arguments.partition(",")
    return partial(_number_between, int(low), int(high))


def _regex(arguments: str) -> Constraint:
    try:
        pattern = re.compile(arguments, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"regex({arguments}): {error}") from None
    return lambda value: pattern.search(value) is not None


_PLAIN: dict[str, Constraint] = {
    "int": partial(_integer, _INT32),
    "long": partial(_integer, _INT64),
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "datetime": _datetime,
    "decimal": lambda value: _DECIMAL.match(value) is not None,
    "double": lambda value: _FLOAT.match(value) is not None,
    "float": lambda value: _FLOAT.match(value) is not None,
    "guid": _guid,
    "alpha": lambda value: _ALPHA.match(value) is not None,
    "required": lambda value: value != "",
}
_WITH_ARGUMENTS: dict[str, Callable[[str], Constraint]] = {
    "minlength": lambda arguments: partial(_between, int(arguments), None, len),
    "maxlength": lambda arguments: partial(_between, None, int(arguments), len),
    "length": _length,
    "min": lambda arguments: partial(_number_between, int(arguments), None),
    "max": lambda arguments: partial(_number_between, None, int(arguments)),
    "range": _range,
    "regex": _regex,
}
