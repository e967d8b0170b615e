"""What the workspace has: workflows and data providers, alone and together, and the choices of their parameters."""

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

CHOOSING = """
from shared.decorators import data_provider, param, workflow


@workflow(name="paint")
@param("colour", type="string", validation={"enum": ["red", "green"]})
@param("coats", type="int", validation={"enum": [1, 2], "min": 1})
@param("sure", type="bool", validation={"enum": [True]})
@param("free", type="string", validation={"max_length": 9})
@param("anything", type="string")
def paint(colour, coats, sure, free, anything): ...


@data_provider(name="shades")
@param("colour", type="string", validation={"enum": ["red"]})
def shades(colour):
    return []
"""


@pytest.fixture
def local(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    (tmp_path / "flows" / "choosing_of_the_test.py").write_text(CHOOSING)
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    yield app
    sys.modules.pop("choosing_of_the_test", None)


async def test_workflows_and_data_providers_are_found_in_one_answer(local: App):
    found = await call("discovery_get")
    workflows, providers = await call("workflows_list"), await call("data_providers_list")
    assert found.status == 200
    assert found.body == {"workflows": workflows.body, "dataProviders": providers.body["providers"]}
    assert len(found.body["workflows"]) > 5
    assert len(found.body["dataProviders"]) > 2


def options(functions: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The options of a function's parameters."""
    (function,) = [found for found in functions if found["name"] == name]
    return {parameter["name"]: parameter["options"] for parameter in function["parameters"]}


async def test_a_parameter_with_an_enum_rule_has_options_and_others_have_none(local: App):
    found = (await call("discovery_get")).body
    assert options(found["workflows"], "paint") == {
        "colour": [{"label": "red", "value": "red"}, {"label": "green", "value": "green"}],
        "coats": [{"label": "1", "value": 1}, {"label": "2", "value": 2}],
        "sure": [{"label": "true", "value": True}],
        "free": None,
        "anything": None,
    }
    assert options(found["dataProviders"], "shades")["colour"] == [{"label": "red", "value": "red"}]
