"""Routes of the local host: templates, and which function wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dev.host.functions import Function
from dev.host.landing import landing_page, links
from dev.host.routing import Router
from dev.host.templates import Template

TAKEN = (
    "the local host takes {name} and, as the last part, {*rest}; "
    "no constraints, defaults, optional parameters or other braces"
)


def http(name: str, route: str | None = None, methods: Sequence[str] | None = None) -> Function:
    return Function(name, {"type": "httpTrigger", "name": "req", "route": route, "methods": methods})


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/x", "/api/x", {}),
        ("api/x", "/API/X/", {}),
        ("api/x", "/api/x//", None),
        ("api/x", "/api", None),
        ("api/x", "/api/xy", None),
        ("a.b", "/aXb", None),
        ("", "/", {}),
        ("x/{id}", "/x/1", {"id": "1"}),
        ("x/{id}", "/x/", None),
        ("x/{id}", "/x/1/2", None),
        ("x/{id}", "/x/a\nb", {"id": "a\nb"}),
        ("x/{id}/y", "/x/1/y", {"id": "1"}),
        ("x/{*rest}", "/x", {}),
        ("x/{*rest}", "/x/", {}),
        ("x/{*rest}", "/x/a/b", {"rest": "a/b"}),
        ("x/{**rest}", "/x/a/b", {"rest": "a/b"}),
        ("{*rest}", "/", {}),
        ("{*rest}", "/a", {"rest": "a"}),
        ("x/v{major}.{minor}", "/x/v1.2", {"major": "1", "minor": "2"}),
        ("x/{name}.{extension}", "/x/a.b.c", {"name": "a.b", "extension": "c"}),
    ],
)
def test_templates_match_as_in_aspnet(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Template(template).match(path) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("x//y", "empty segment"),
        ("x/{a}{b}", "something between"),
        ("x/{a}/{A}", "used twice"),
        ("x/{a}/{*A}", "used twice"),
    ],
)
def test_templates_that_can_not_be_say_why(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Template(template)


@pytest.mark.parametrize(
    "route",
    [
        "x/{a:int}",
        "x/{a:int:min(3)}",
        r"x/{a:regex(^\d{{2}}$)}",
        "x/{a:regex(b/c)}",
        "x/{a?}",
        "x/{a:int?}",
        "x/{name}.{extension?}",
        "x/{a=7}",
        "x/{*a:int}",
        "x/{*a=b}",
        "x/{*a}/b",
        "x/y{*a}",
        "x/{}",
        "x/{a",
        "x/a}",
        "x/{{a}}",
    ],
)
def test_what_only_azures_host_takes_is_an_error_at_start_that_says_what_this_one_takes(route: str) -> None:
    router = Router([http("picky", route), http("plain", "y/{a}")], "api")
    (error,) = router.errors
    assert error.startswith("Function picky does not run: its route")
    assert error.endswith(TAKEN)
    assert router.match("GET", "/api/x/77") is None
    assert router.match("GET", "/api/y/7") is not None


def winner(functions: list[Function], method: str, path: str, prefix: str = "api") -> tuple[str, dict[str, str]] | None:
    match = Router(functions, prefix).match(method, path)
    return None if match is None else (match.function.name, match.parameters)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("get_user", "get_users_me"), "get_user"),
        (("z_get_user", "get_users_me"), "get_users_me"),
        (("Z_get_user", "a_get_users_me"), "a_get_users_me"),
        (("a_get_user", "Z_get_users_me"), "a_get_user"),
        # Ordinal and without case: "_" comes after the upper-case letters.
        (("get_x", "getax"), "getax"),
    ],
)
def test_the_first_name_wins_whatever_the_routes_look_like(names: tuple[str, str], expected: str) -> None:
    functions = [http(names[0], "users/{id}"), http(names[1], "users/me")]
    for order in (functions, functions[::-1]):
        found = winner(order, "GET", "/api/users/me")
        assert found is not None
        assert found[0] == expected


def test_a_method_that_does_not_fit_is_no_match() -> None:
    functions = [http("a", "x", ["POST"]), http("b", "{any}", ["GET"])]
    assert winner(functions, "POST", "/api/x") == ("a", {})
    assert winner(functions, "GET", "/api/x") == ("b", {"any": "x"})
    assert winner(functions, "PUT", "/api/x") is None
    assert winner([http("a", "x")], "OPTIONS", "/api/x") == ("a", {})


def test_a_function_without_a_route_is_at_its_name_and_the_prefix_may_be_empty() -> None:
    assert winner([http("Plain")], "GET", "/api/plain") == ("Plain", {})
    assert winner([http("plain")], "GET", "/plain", prefix="") == ("plain", {})


@pytest.mark.parametrize(
    ("second", "conflicts"),
    [
        ({"route": "/X/", "methods": ["GET"]}, True),
        ({"route": "x", "methods": None}, True),
        ({"route": "x", "methods": ["POST"]}, False),
        ({"route": "{x}", "methods": ["GET"]}, False),
    ],
)
def test_of_two_functions_with_one_route_and_method_the_later_name_is_reported(
    second: dict[str, Any], conflicts: bool
) -> None:
    router = Router([http("b", **second), http("a", "x", ["GET", "PUT"])], "api")
    assert bool(router.errors) == conflicts
    if conflicts:
        assert router.errors[0].startswith("Function b does not run: a has the same route")
    assert router.match("PUT", "/api/x") is not None


@pytest.mark.parametrize("route", ["admin", "Admin/x", "administrators", "runtime/webhooks"])
def test_routes_of_the_host_itself_are_refused(route: str) -> None:
    router = Router([http("mine", route), http("other", "x")], "api")
    assert router.errors[0].startswith("Function mine does not run")
    assert router.match("GET", f"/api/{route}") is None
    assert router.match("GET", "/api/x") is not None


def test_the_page_at_the_root_links_to_what_the_app_has():
    rest = http("zz_unmatched", "{*rest}")
    assert links(
        Router([http("docs_get", "docs", ["GET"]), http("health", "health", ["POST"]), rest], "api"), "api"
    ) == {"/api/docs": "the API, to browse and try"}
    page = landing_page(Router([http("docs_get", "docs")], ""), "")
    assert '<a href="/docs">/docs</a>' in page
    assert page.count("<li>") == 1
