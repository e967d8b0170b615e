"""Stored forms whose expressions no longer compile: they can be used, and say so, until somebody mends them."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.access.principal import Principal
from shared.errors import InvalidInputError, StorageUnavailableError
from shared.handlers import form_problems, health_handlers
from shared.handlers.form_options_handlers import get_form_options
from shared.handlers.form_problems import MOST_FORMS
from shared.handlers.forms_handlers import (
    create_form,
    delete_form,
    execute_form_handler,
    get_form,
    list_forms,
    update_form,
)
from shared.handlers.health_handlers import get_health
from shared.handlers.services import get_services
from shared.models.executions import ExecutionResponse
from shared.models.forms import Form, FormDataRequest, FormOptionsRequest, FormPatch, FormRequest
from shared.repositories.forms import FormRepository, StoredForm
from shared.storage import Replace, Storage
from tests.integration.handlers.conftest import ADMIN, USER
from tests.integration.handlers.test_forms import in_organization

App = Callable[[], Storage]

FLOWS = """
from shared.decorators import data_provider, workflow


@workflow(name="takes_all", execution_mode="sync")
async def takes_all(**values):
    return values


@data_provider(name="colours")
def colours(like: str = ""):
    return ["red", "blue"]
"""
BROKEN = "tags.exists(tag, tag == 'a')"
PLACE: list[str | int] = ["formSchema", "fields", 1, "visibilityExpression"]


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path) -> Iterator[None]:
    """The file above, in the workspace of this test."""
    (tmp_path / "flows" / "forms_with_problems.py").write_text(FLOWS)
    yield
    sys.modules.pop("forms_with_problems", None)


def body(*more: dict[str, Any], expression: str = BROKEN, name: str = "Old", **changes: Any) -> dict[str, Any]:
    fields = [
        {"name": "tags", "type": "text"},
        {"name": "why", "type": "text", "required": True, "visibilityExpression": expression},
        *more,
    ]
    stored = {"name": name, "linkedWorkflow": "takes_all", "isPublic": True, "formSchema": {"fields": fields}}
    return {**stored, **changes}


async def stored(*more: dict[str, Any], scope: str = "GLOBAL", **changes: Any) -> StoredForm:
    """A form as an earlier release has stored it, which took more."""
    request = FormRequest.model_validate(body(*more, **changes))
    now = datetime.now(UTC)
    org = None if scope == "GLOBAL" else scope
    form = Form(**dict(request), id=str(uuid.uuid4()), org_id=org, created_by="a", created_at=now, updated_at=now)
    return await FormRepository(get_services().storage).create(scope, form)


async def submitted(form_id: str, **values: Any) -> Any:
    answer = (await execute_form_handler(form_id, FormDataRequest(form_data=values), USER)).answer
    assert isinstance(answer, ExecutionResponse)
    return answer.result


async def forms_in_health(principal: Principal = ADMIN) -> list[str] | None:
    details = (await get_health(principal)).details
    return None if details is None or details.forms is None else [found.name for found in details.forms]


async def test_its_field_shows_and_is_not_required_and_the_form_can_be_submitted():
    form_id = (await stored()).form.id
    assert await submitted(form_id, tags="b") == {"tags": "b"}
    assert await submitted(form_id, why="so") == {"why": "so"}


async def test_a_dropdown_whose_inputs_no_longer_compile_leaves_the_others_alone():
    inputs = {"like": {"mode": "expression", "expression": BROKEN}}
    broken = {"name": "one", "type": "select", "dataProvider": "colours", "dataProviderInputs": inputs}
    sound = {"name": "two", "type": "select", "dataProvider": "colours"}
    form_id = (await stored({**broken, "required": True}, sound)).form.id
    options = (await get_form_options(form_id, FormOptionsRequest(), USER)).fields
    assert [(field.name, field.state) for field in options] == [("one", "error"), ("two", "ready")]
    assert await submitted(form_id, two="red") == {"two": "red"}
    with pytest.raises(InvalidInputError) as caught:
        await submitted(form_id, one="red")
    assert [error["loc"][-1] for error in caught.value.errors] == ["one"]


async def test_the_form_names_its_problems_and_can_be_sent_back_mended():
    made = await stored()
    read = (await get_form(made.form.id, USER)).form
    (problem,) = read.problems
    assert (problem.loc, problem.type, problem.msg) == (PLACE, "expression", "Macros such as exists are not taken")
    assert [form.problems for form in await list_forms(USER)] == [[problem]]
    sent = read.model_dump(mode="json")
    with pytest.raises(InvalidInputError) as caught:
        await update_form(read.id, FormPatch.model_validate(sent), ADMIN)
    assert [error["loc"] for error in caught.value.errors] == [["body", *PLACE]]
    sent["formSchema"]["fields"][1]["visibilityExpression"] = "tags == 'a'"
    assert (await update_form(read.id, FormPatch.model_validate(sent), ADMIN)).form.problems == []
    assert (await get_form(read.id, USER)).form.problems == []


async def test_a_new_form_with_such_an_expression_is_refused_with_its_place():
    with pytest.raises(InvalidInputError) as caught:
        await create_form(FormRequest.model_validate(body()), ADMIN)
    (error,) = caught.value.errors
    assert (error["loc"], error["msg"]) == (["body", *PLACE], "Macros such as exists are not taken")


async def test_problems_are_not_stored_so_that_an_earlier_release_can_read_the_form():
    made = await create_form(FormRequest.model_validate(body(expression="tags == 'a'")), ADMIN)
    row = await get_services().storage.table("Forms").get("GLOBAL", made.form.id)
    assert row is not None
    content = await FormRepository(get_services().storage)._payloads.get({"form": row.values["form"]})
    assert "problems" not in content["form"]
    assert made.form.model_dump(by_alias=True)["problems"] == []


async def test_health_tells_administrators_which_forms_have_problems_and_nobody_else():
    await create_form(FormRequest.model_validate(body(name="Sound", expression="tags == 'a'")), ADMIN)
    health = await get_health(ADMIN)
    assert (health.status, health.checks["forms"], await forms_in_health()) == ("healthy", "healthy", [])
    get_services().form_problems.invalidate()
    made = await stored()
    health = await get_health(ADMIN)
    assert (health.status, health.checks["forms"]) == ("degraded", "degraded")
    assert health.details is not None
    assert [found.model_dump(by_alias=True) for found in health.details.forms or ()] == [
        {
            "formId": made.form.id,
            "name": "Old",
            "orgId": None,
            "problems": [{"loc": PLACE, "type": "expression", "msg": "Macros such as exists are not taken"}],
        }
    ]
    for other in (None, USER):
        health = await get_health(other)
        assert (health.status, "forms" in health.checks, health.details) == ("healthy", False, None)


async def test_a_form_with_problems_can_be_switched_off_and_renamed():
    read = (await stored()).form
    changed = (await update_form(read.id, FormPatch(name="Off", is_active=False), ADMIN)).form
    assert (changed.name, changed.is_active) == ("Off", False)
    assert changed.problems == (await get_form(read.id, ADMIN)).form.problems != []


async def test_what_is_mended_or_deleted_here_is_out_of_health_at_once():
    first, second = [(await stored(name=name)).form for name in ("First", "Second")]
    assert await forms_in_health() == ["First", "Second"]
    await update_form(first.id, FormPatch.model_validate(body(name="First", expression="tags == 'a'")), ADMIN)
    assert await forms_in_health() == ["Second"]
    await delete_form(second.id, ADMIN)
    assert (await get_health(ADMIN)).status == "healthy"


async def test_health_shows_the_forms_of_the_scope_and_the_global_ones():
    await stored(name="own", scope="one")
    await stored(name="another's", scope="two")
    await stored(name="for all", isGlobal=True)
    assert await forms_in_health(in_organization(ADMIN, "one")) == ["own", "for all"]


async def test_looks_at_health_read_the_forms_once_a_minute_and_never_for_others(monkeypatch: pytest.MonkeyPatch):
    reads: list[str] = []
    real = FormRepository.list

    async def counted(self: FormRepository, scope: str) -> Any:
        reads.append(scope)
        return await real(self, scope)

    monkeypatch.setattr(FormRepository, "list", counted)
    for principal in (None, USER, ADMIN, ADMIN, ADMIN):
        await get_health(principal)
    assert reads == ["GLOBAL"]


async def test_forms_that_cannot_be_read_in_time_are_left_out_of_health(monkeypatch: pytest.MonkeyPatch):
    async def away(*_: object) -> Any:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(FormRepository, "list", away)
    health = await get_health(ADMIN)
    assert health.details is not None
    assert (health.status, health.details.forms, "forms" in health.checks) == ("healthy", None, False)
    monkeypatch.undo()
    monkeypatch.setattr(health_handlers, "_FORMS_WITHIN_SECONDS", 0)
    assert await forms_in_health() is None


async def test_a_form_that_cannot_be_read_makes_health_degraded_and_not_fail(caplog: pytest.LogCaptureFixture):
    made = await stored()
    changed = Replace(made.row.key, {**made.row.values, "form": b"[]"}, made.row.etag)
    await get_services().storage.table("Forms").transaction("GLOBAL", [changed])
    health = await get_health(ADMIN)
    assert (health.status, health.checks["forms"], health.checks["storage"]) == ("degraded", "degraded", "healthy")
    assert health.details is not None
    assert health.details.forms is None
    assert "The forms of GLOBAL can't be read" in caplog.text


async def test_health_names_a_hundred_forms_at_most(monkeypatch: pytest.MonkeyPatch):
    assert MOST_FORMS == 100
    monkeypatch.setattr(form_problems, "MOST_FORMS", 2)
    for name in "abc":
        await stored(name=name)
    assert await forms_in_health() == ["a", "b"]
