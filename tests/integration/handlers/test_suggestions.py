"""Who writes a name nearly right is told the right one, where they may know of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.calls import call

App = Callable[[], Storage]

FLOWS = """
from shared.decorators import data_provider, param, workflow

@data_provider(name="tenants")
def tenants():
    return ["a"]

@workflow(name="onboard", execution_mode="sync")
@param("tenant", type="string", data_provider="tenantz")
def onboard(tenant: str = ""):
    return tenant
"""


@pytest.fixture(autouse=True)
def local(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "flows" / "nearly_of_the_test.py").write_text(FLOWS)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield
    sys.modules.pop("nearly_of_the_test", None)


FORM = {"name": "F", "linkedWorkflow": "onboard", "isPublic": True}


@pytest.mark.parametrize(
    ("name", "arguments", "status", "meant"),
    [
        ("workflows_execute", {"body": {"workflowName": "onbord"}}, 404, "onboard"),
        ("workflows_execute", {"body": {"workflowname": "add"}}, 400, "workflowName"),
        ("workflows_execute", {"body": {"workflowName": "onboard", "inputData": {"Tenant": 1}}}, 400, "tenant"),
        ("executions_list", {"query": {"workflow_nam": "add"}}, 400, "workflowName"),
        ("executions_list", {"query": {"status": "Succes"}}, 400, "Success"),
        ("data_providers_get_options", {"path": {"providerName": "tenant"}}, 404, "tenants"),
        ("workflow_keys_create", {"body": {"workflowId": "onbard"}}, 400, "onboard"),
        ("forms_create", {"body": {**FORM, "linkedWorkflow": "onbaord", "formSchema": {"fields": []}}}, 400, "onboard"),
    ],
)
async def test_an_unknown_name_is_answered_with_the_nearest(
    name: str, arguments: dict[str, Any], status: int, meant: str
):
    arguments = dict(arguments)
    answer = await call(name, arguments.pop("path", None), **arguments)
    assert answer.status == status
    assert f"did you mean '{meant}'?" in str(answer.body)


async def test_a_provider_that_is_not_there_is_a_load_error_that_names_the_nearest():
    health = await call("health_get")
    (error,) = health.body["details"]["loadErrors"]
    assert (error["file"], error["line"]) == ("nearly_of_the_test.py", 8)
    assert error["reason"] == (
        "there is no data provider 'tenantz', which 'tenant' of onboard names; did you mean 'tenants'?"
    )
    # The workflow itself can be called.
    assert (await call("workflows_execute", body={"workflowName": "onboard"})).body["result"] == ""


async def test_nobody_is_told_names_at_an_endpoint(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AUTH_MODE", "")
    get_settings.cache_clear()
    assert "did you mean" not in str((await call("endpoints_post", {"workflowName": "onbord"})).body)
