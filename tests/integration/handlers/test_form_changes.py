"""Changing forms: the fields that are given change, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.handlers.forms_handlers import create_form, get_form, update_form
from shared.models.forms import FormPatch, FormRequest
from shared.settings.environment import get_settings
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN
from tests.support.calls import call

App = Callable[[], Storage]


@pytest.fixture(autouse=True)
def local(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app as on a developer's machine, where every caller is an administrator."""
    monkeypatch.setenv("AUTH_MODE", "development")
    get_settings.cache_clear()


def form(name: str = "A form", *fields: dict[str, Any], **changes: Any) -> FormRequest:
    schema = {"fields": list(fields) or [{"name": "a", "type": "number"}]}
    return FormRequest.model_validate({"name": name, "linkedWorkflow": "add", "formSchema": schema, **changes})


@pytest.mark.parametrize("route", ["forms_update", "forms_patch"])
async def test_put_and_patch_change_the_given_fields_and_null_clears_one(route: str):
    fields = [{"name": "a", "type": "number", "required": True}]
    made = (await create_form(form("Before", *fields, description="What it is for", roles=["Sales"]), ADMIN)).form
    path = {"formId": made.id}
    changed = await call(route, path, body={"name": "After", "isActive": False})
    assert changed.status == 200
    expected = {**made.model_dump(mode="json"), "name": "After", "isActive": False}
    assert {**changed.body, "updatedAt": expected["updatedAt"]} == expected
    cleared = await call(
        route, path, body={"description": None, "roles": None, "isActive": None, "launchWorkflowId": None}
    )
    assert (cleared.body["description"], cleared.body["roles"], cleared.body["isActive"]) == ("", [], True)
    assert (cleared.body["name"], cleared.body["formSchema"]) == ("After", expected["formSchema"])
    # As it was read, with a change.
    sent = await call(route, path, body={**cleared.body, "description": "new"})
    assert (sent.status, sent.body["description"]) == (200, "new")
    nothing = await call(route, path, body={})
    assert {**nothing.body, "updatedAt": ""} == {**sent.body, "updatedAt": ""}


@pytest.mark.parametrize("route", ["forms_update", "forms_patch"])
async def test_a_change_that_leaves_no_form_is_refused_and_changes_nothing(route: str):
    made = (await create_form(form(), ADMIN)).form
    for body, place in (
        ({"name": None, "description": "x"}, ["body", "name"]),
        ({"formSchema": None}, ["body", "formSchema"]),
        ({"linkedWorkflow": "no_such"}, ["body", "linkedWorkflow"]),
        ({"titel": "x"}, ["body", "titel"]),
        ({"name": ""}, ["body", "name"]),
    ):
        refused = await call(route, {"formId": made.id}, body=body)
        assert (refused.status, [error["loc"] for error in refused.body["details"]["errors"]]) == (400, [place])
    assert (await get_form(made.id, ADMIN)).form == made


async def test_two_changes_of_different_fields_at_once_both_hold():
    made = (await create_form(form(), ADMIN)).form
    changes = [FormPatch(description="new"), FormPatch(roles=["Sales"]), FormPatch(is_active=False)]
    await asyncio.gather(*(update_form(made.id, change, ADMIN) for change in changes))
    found = (await get_form(made.id, ADMIN)).form
    assert (found.description, found.roles, found.is_active) == ("new", ["Sales"], False)


async def test_the_list_of_forms_is_an_array():
    assert (await call("forms_list")).body == []
    made = (await create_form(form(), ADMIN)).form
    assert (await call("forms_list")).body == [made.model_dump(mode="json")]
