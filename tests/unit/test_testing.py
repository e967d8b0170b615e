"""`shared.testing.run`: a test sees what a run in production would see."""

from __future__ import annotations

from typing import Any

import pytest

from shared.context import Caller, ExecutionContext, HttpRequestInfo, Organization
from shared.testing import run


async def test_a_test_gives_everything_that_a_run_can_see():
    async def look(context: ExecutionContext) -> dict[str, Any]:
        assert context.request is not None
        return {
            "config": context.get_config("retries"),
            "secret": (await context.get_secret("api_key"))[::-1],
            "path": context.request.query["path"],
            "organization": context.org_name,
            "scope": context.scope,
            "caller": context.email,
            "admin": context.is_platform_admin,
        }

    result = await run(
        look,
        config={"retries": 3},
        secrets={"api_key": "s3cret-value"},
        request=HttpRequestInfo("GET", query={"path": "/a"}),
        organization=Organization("acme", "Acme Ltd"),
        caller=Caller("u1", "ada@example.com", "Ada"),
    )
    assert result.result == {
        "config": 3,
        "secret": "s3cret-value"[::-1],
        "path": "/a",
        "organization": "Acme Ltd",
        "scope": "acme",
        "caller": "ada@example.com",
        "admin": False,
    }


async def test_a_secret_of_a_test_is_masked_as_in_production_and_is_no_plain_value():
    async def leak(context: ExecutionContext) -> str:
        assert context.has_config("api_key")
        print(await context.get_secret("api_key"))
        return context.get_config("api_key")

    result = await run(leak, secrets={"api_key": "s3cret-value"})
    assert (result.status, result.error_type) == ("Failed", "ConfigurationError")
    assert [line["message"] for line in result.logs] == ["••••"]


async def test_a_parameter_that_is_called_like_an_argument_of_run_gets_its_value():
    def order(context: ExecutionContext, organization: str, config: dict[str, int]) -> list[Any]:
        return [organization, config, context.scope]

    result = await run(order, organization="Acme", config={"a": 1})  # pyright: ignore[reportArgumentType]
    assert result.result == ["Acme", {"a": 1}, "GLOBAL"]


@pytest.mark.parametrize(
    ("name", "value"), [("organization", "acme"), ("caller", "ada"), ("request", {}), ("config", 1)]
)
async def test_an_argument_of_another_type_is_named(name: str, value: Any):
    with pytest.raises(TypeError, match=f"^{name} must be a "):
        await run(lambda: 1, **{name: value})


async def test_configuration_may_be_given_by_position_as_before():
    async def look(context: ExecutionContext) -> str:
        return await context.get_secret("key")

    assert (await run(look, {"key": "plain"})).result == "plain"
