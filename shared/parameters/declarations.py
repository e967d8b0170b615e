"""What the decorators take: which functions, which arguments, and what each of these may be."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast

from shared.errors import DefinitionError
from shared.suggestions import did_you_mean

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_RETRY_BOUNDS = {"max_attempts": (1, 100), "backoff_seconds": (0, 86_400), "max_backoff_seconds": (0, 604_800)}
_DECORATED = "def greet(context: ExecutionContext, name: str)"

F = TypeVar("F", bound=Callable[..., Any])


def known_arguments(example: str) -> Callable[[F], F]:
    """Has a decorator refuse arguments that it does not have with the names of those that it has.

    Args:
        example: how it is written, for the message.
    """

    def decorate(decorator: F) -> F:
        signature = inspect.signature(decorator)
        # Those of a decorator that is used bare are given by position alone.
        names = list(signature.parameters)
        own_name = f"@{decorator.__name__}"

        @functools.wraps(decorator)
        def call(*args: Any, **kwargs: Any) -> Any:
            unknown = next((name for name in kwargs if name not in names), None)
            if unknown is not None:
                hint = did_you_mean(unknown, names) or f"; it takes {', '.join(names)}"
                raise DefinitionError(f"{own_name} has no argument {unknown!r}{hint}")
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise DefinitionError(f"{own_name}: {error}; write {example}") from None
            return decorator(*args, **kwargs)

        return cast("F", call)

    return decorate


def check_function(function: object, place: str) -> None:
    """Refuses what a caller's input could not be given to, or what would give no result.

    Raises:
        DefinitionError: says what to write instead.
    """
    problem = _problem_of(function)
    if problem is not None:
        raise DefinitionError(f"{problem}: {place}")


def _problem_of(function: object) -> str | None:
    if isinstance(function, type):
        return f"a class can't be decorated; decorate a function, such as {_DECORATED}, that makes and uses one"
    if isinstance(function, (staticmethod, classmethod)):
        return "a method can't be decorated; move the function out of the class"
    if inspect.ismethod(function):
        return "a bound method can't be decorated; decorate a function that calls it"
    if not callable(function) or not hasattr(function, "__name__"):
        return f"only functions can be decorated, not {type(function).__name__}"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "a generator can't be decorated; collect what it yields in a list, and return that"
    if not hasattr(function, "__dict__"):
        return "a builtin can't be decorated; decorate a function that calls it"
    return "a method can't be decorated; move the function out of its class" if _is_method(function) else None


def _is_method(function: Callable[..., Any]) -> bool:
    """Whether it stands in the body of a class and takes an object of it, or the class."""
    # One in a function's body has `<locals>` there.
    holder = getattr(function, "__qualname__", "").rpartition(".")[0].rpartition(".")[2]
    code = getattr(inspect.unwrap(function), "__code__", None)
    first = code.co_varnames[:1] if code is not None and code.co_argcount else ()
    return holder not in ("", "<locals>") and first in (("self",), ("cls",))


def check(condition: bool, message: str, place: str) -> None:
    """Raises a `DefinitionError` unless the condition holds."""
    if not condition:
        raise DefinitionError(f"{message}: {place}")


def check_at(place: str, refuse: Callable[..., None], *values: object, **options: Any) -> None:
    """Has what a check refuses say where it stands."""
    try:
        refuse(*values, **options)
    except ValueError as error:
        raise DefinitionError(f"{error}: {place}") from None


def check_name(kind: str, name: object, place: str) -> None:
    """A function's name: lower-case letters, digits and `_`."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return
    like = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).lower()).strip("_")
    hint = f"; write {like!r}" if isinstance(name, str) and _NAME.fullmatch(like) else ""
    rule = "must begin with a letter and have lower-case letters, digits and '_', at most 63"
    check(False, f"the {kind} name {name!r} {rule}{hint}", place)


def check_number(field: str, value: object, low: float, high: float | None, place: str) -> None:
    bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= low
    fits = fits and (high is None or cast("float", value) <= high)
    check(fits, f"{field} must be a number {bounds}, not {value!r}", place)


def check_choice(field: str, value: object, choices: Sequence[str], place: str) -> None:
    """One of a few texts."""
    if isinstance(value, str) and value in choices:
        return
    named = value.__name__ if isinstance(value, type) else value
    meant = {"str": "string", "dict": "json"}.get(str(named), str(named))
    hint = f"; write {meant!r}" if meant in choices else did_you_mean(str(named), choices)
    given = f"must be one of {', '.join(choices)}, not {named if isinstance(value, type) else repr(value)}"
    check(False, f"{field} {given}{hint}", place)


def check_types(kind: type | tuple[type, ...], what: str, values: Mapping[str, object], place: str) -> None:
    """Values of one type each: `what` is the word for it."""
    for field, value in values.items():
        check(isinstance(value, kind), f"{field} must be {what}, not {value!r}", place)


def texts_of(field: str, value: Iterable[str] | None, place: str) -> list[str]:
    """A list of texts; a text alone is refused, since it would be taken for a list of its letters."""
    if value is None:
        return []
    if isinstance(value, str):
        _refuse(f"{field} must be a list of texts; write {field}=[{value!r}]", place)
    try:
        found = list(value)
    except TypeError:
        _refuse(f"{field} must be a list of texts, not {value!r}", place)
    check(all(isinstance(cast("object", each), str) for each in found), f"{field} must be a list of texts", place)
    return found


def check_retry_policy(policy: Any, place: str) -> None:
    if policy is None:
        return
    check(isinstance(policy, dict), "retry_policy must be a dict", place)
    for field in policy:
        known = f"retry_policy knows {', '.join(_RETRY_BOUNDS)}, not {field}{did_you_mean(str(field), _RETRY_BOUNDS)}"
        check(field in _RETRY_BOUNDS, known, place)
    for field, (low, high) in _RETRY_BOUNDS.items():
        if field in policy:
            check_number(f"retry_policy {field}", policy[field], low, high, place)
    whole = isinstance(policy.get("max_attempts", 1), int)
    check(whole, "retry_policy max_attempts must be a whole number", place)


def _refuse(message: str, place: str) -> NoReturn:
    raise DefinitionError(f"{message}: {place}")
