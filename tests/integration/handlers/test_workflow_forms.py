"""GET /workflows/{workflowName}/form: a form made from parameters can be stored as it is, and filled in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.examples import copy_examples
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.support.calls import call

App = Callable[[], Storage]

VALUES: dict[str, Any] = {
    "text": "abc",
    "textarea": '{"name": "offer.pdf", "size": 3}',
    "email": "a@example.com",
    "number": 1,
    "checkbox": True,
    "date": "2026-03-01",
    "datetime": "2026-03-01T10:00",
    "password": "hunter22",
}
CHOSEN = {"country": "de", "city": "Berlin"}


@pytest.fixture
def local(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The app with the examples in its workspace, called by an administrator."""
    shutil.copytree(copy_examples(tmp_path / "shipped") / "examples", tmp_path / "flows" / "examples")
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()
    forget_examples()
    yield app
    forget_examples()


def forget_examples() -> None:
    """Others import the examples, too, from where they lie."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "examples"]:
        del sys.modules[name]


def value_for(field: dict[str, Any]) -> Any:
    if field["options"]:
        value = field["options"][0]["value"]
    elif field["dataProvider"]:
        value = CHOSEN.get(field["name"], "free")
    else:
        value = VALUES[field["type"]]
    return [value] if field["multiple"] else value


async def test_the_form_of_every_workflow_can_be_stored_and_submitted(local: App):
    listed = (await call("workflows_list")).body
    assert {"order_delivery", "ticket_webhook", "import_orders", "typed"} <= {found["name"] for found in listed}
    for found in listed:
        made = await call("workflows_get_form", {"workflowName": found["name"]})
        assert (made.status, made.body["linkedWorkflow"]) == (200, found["name"])
        stored = await call("forms_create", body=made.body)
        assert stored.status == 201, stored.body
        if found["name"].startswith(("patient", "slow")):  # they would take their time
            continue
        data = {field["name"]: value_for(field) for field in stored.body["formSchema"]["fields"]}
        answer = await call("forms_execute", {"formId": stored.body["id"]}, body={"formData": data})
        assert answer.status in (200, 202), answer.body


async def test_the_form_of_a_workflow_that_is_not_there_is_not_found(local: App):
    for name in ("nobody", "countries"):  # the other is a data provider
        assert (await call("workflows_get_form", {"workflowName": name})).status == 404
