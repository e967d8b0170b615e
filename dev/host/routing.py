"""Which function answers a request: functions in the order of their names, the first whose path and method match.

Azure's host sorts functions by name and ignores how specific a route is, and the method is one more condition of a
match: https://github.com/Azure/azure-functions-host/issues/9876
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dev.host.functions import Function, FunctionError
from dev.host.templates import Template

# The host keeps what begins with these words for itself.
RESERVED = ("admin", "runtime")


@dataclass(frozen=True, slots=True)
class Match:
    """The function that answers, and the values of its route's parameters."""

    function: Function
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Route:
    function: Function
    template: Template
    text: str
    methods: frozenset[str]  # empty: all

    def conflicts_with(self, other: _Route) -> bool:
        return self.text == other.text and (
            not self.methods or not other.methods or not self.methods.isdisjoint(other.methods)
        )


class Router:
    """The routes of an app.

    Args:
        functions: the HTTP functions, in any order.
        prefix: first part of every route, without slashes; may be empty.

    Attributes:
        errors: a sentence for each function whose route can't be served.
    """

    def __init__(self, functions: Iterable[Function], prefix: str) -> None:
        self._routes: list[_Route] = []
        self.errors: list[str] = []
        # Ordinal and ignoring case compares upper-cased letters.
        for function in sorted(functions, key=lambda function: function.name.upper()):
            try:
                self._add(function, prefix)
            except FunctionError as error:
                self.errors.append(str(error))

    def match(self, method: str, path: str) -> Match | None:
        for route in self._routes:
            if route.methods and method not in route.methods:
                continue
            parameters = route.template.match(path)
            if parameters is not None:
                return Match(route.function, parameters)
        return None

    def _add(self, function: Function, prefix: str) -> None:
        route = str(function.trigger.get("route") or function.name).strip("/")
        if route.lower().startswith(RESERVED):
            raise FunctionError(
                f"Function {function.name} does not run: its route {route!r} begins with {' or '.join(RESERVED)}, "
                "which the host keeps for itself"
            )
        try:
            template = Template(f"{prefix}/{route}")
        except ValueError as error:
            raise FunctionError(f"Function {function.name} does not run: its route {route!r}: {error}") from None
        methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or ())
        added = _Route(function, template, route.lower(), methods)
        for other in self._routes:
            if added.conflicts_with(other):
                raise FunctionError(
                    f"Function {function.name} does not run: {other.function.name} has the same route {route!r} "
                    "and method"
                )
        self._routes.append(added)
