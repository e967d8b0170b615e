"""The API's description as it is served: each caller learns of the endpoints that they may call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.handlers.workflow_keys_handlers import create_key
from shared.models.workflow_keys import WorkflowKeyCreate
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import call

DOORS = """
from shared.decorators import workflow


@workflow(name="closed")
def closed():
    return 1


@workflow(name="known", endpoint_enabled=True)
def known(number: int):
    return number


@workflow(name="own", endpoint_enabled=True, disable_global_key=True)
def own(number: int):
    return number


@workflow(name="open_to_all", endpoint_enabled=True, public_endpoint=True)
def open_to_all(number: int):
    return number
"""


async def endpoints(headers: dict[str, str]) -> set[str]:
    answer = await call("openapi_get", headers=headers)
    assert answer.status == 200
    OpenAPIV31SpecValidator(answer.body).validate()
    found = {path.removeprefix("/endpoints/") for path in answer.body["paths"] if path.startswith("/endpoints/")}
    return found - {"{workflowName}", "typed"}


async def test_callers_learn_of_the_endpoints_that_they_may_call(
    app: Callable[[], Storage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "flows" / "described_doors_of_the_test.py").write_text(DOORS)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    global_key = (await create_key(WorkflowKeyCreate(), ADMIN)).raw_key
    own_key = (await create_key(WorkflowKeyCreate(workflow_id="own"), ADMIN)).raw_key
    everything = {"known", "own", "open_to_all"}
    assert await endpoints({}) == everything
    assert await endpoints({"x-dev-principal": '{"user_id": "u1"}'}) == everything
    assert await endpoints({"x-dev-principal": "anonymous"}) == {"open_to_all"}
    assert await endpoints({"x-functions-key": global_key}) == {"known", "open_to_all"}
    assert await endpoints({"authorization": f"Bearer {own_key}"}) == {"own"}
