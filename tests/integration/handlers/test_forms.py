"""Forms on real storage: scopes, large ones, start-ups that fail, long lists."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.access.principal import Principal
from shared.context import Organization
from shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PreconditionFailedError,
    ProviderFailedError,
    ProviderTimeoutError,
)
from shared.executions.idempotency import IdempotencyKey
from shared.forms import state
from shared.forms.expressions import Expression
from shared.forms.values import read_value
from shared.handlers.data_providers_handlers import get_data_provider_options_handler
from shared.handlers.executions_handlers import list_executions
from shared.handlers.form_options_handlers import get_form_options, get_provider_options
from shared.handlers.forms_handlers import (
    create_form,
    delete_form,
    execute_form_handler,
    get_form,
    list_forms,
    start_form,
    update_form,
)
from shared.handlers.services import get_services
from shared.models.data_providers import ProviderRequest
from shared.models.executions import ExecutionListQuery, ExecutionResponse
from shared.models.forms import FormDataRequest, FormOptionsRequest, FormPatch, FormProviderRequest, FormRequest
from shared.registry import FunctionRegistry
from shared.repositories.forms import CONTAINER
from shared.storage import Storage
from tests.integration.handlers.conftest import ADMIN, OTHER_USER, USER

App = Callable[[], Storage]

FLOWS = """
from shared.decorators import data_provider, param, workflow
from shared.errors import UserError
import asyncio


@workflow(name="takes_all", execution_mode="sync")
async def takes_all(context, **values):
    return values


@workflow(name="launch", execution_mode="sync", timeout_seconds=1)
async def launch(how: str = "well"):
    if how == "raise":
        raise ValueError("the password is 1234")
    if how == "user":
        raise UserError("Closed today")
    if how == "sleep":
        await asyncio.sleep(30)
    return how


NUMBERS = [str(number) for number in range(1000)]


@data_provider(name="numbers", cache_ttl_seconds=0)
def numbers(search: str = "", limit: int = 10):
    return [number for number in NUMBERS if search in number][:limit]


@data_provider(name="fails_now", cache_ttl_seconds=0)
def fails_now():
    raise UserError("Not now")


offered = ["a"]


@data_provider(name="passing", cache_ttl_seconds=0)
def passing():
    return offered


@data_provider(name="meets", cache_ttl_seconds=0)
@param("level", type="int", default_value=0)
async def meets(level):
    return [level + 1]
"""


@pytest.fixture(autouse=True)
def flows(app: App, tmp_path: Path) -> Iterator[None]:
    """The file above, in the workspace of this test."""
    (tmp_path / "flows" / "forms_of_the_test.py").write_text(FLOWS)
    yield
    sys.modules.pop("forms_of_the_test", None)


PASSING = {"name": "pick", "type": "select", "dataProvider": "passing"}


def in_organization(principal: Principal, name: str) -> Principal:
    return replace(principal, organization=Organization(name, name))


def form(name: str = "A form", *fields: dict[str, Any], **changes: Any) -> FormRequest:
    body = {
        "name": name,
        "linkedWorkflow": "takes_all",
        "isPublic": True,
        "formSchema": {"fields": list(fields) or [{"name": "text", "type": "text"}]},
    }
    return FormRequest.model_validate({**body, **changes})


def patch(name: str = "A form", **changes: Any) -> FormPatch:
    return FormPatch.model_validate({"name": name, **changes})


def data(**values: Any) -> FormDataRequest:
    return FormDataRequest(form_data=values)


async def submitted(form_id: str, who: Principal = USER, **values: Any) -> Any:
    answer = (await execute_form_handler(form_id, data(**values), who)).answer
    assert isinstance(answer, ExecutionResponse)
    return answer.result


async def test_each_organization_has_its_own_forms_and_all_have_the_global_ones():
    one, two = in_organization(ADMIN, "one"), in_organization(ADMIN, "two")
    own = (await create_form(form("own"), one)).form
    shared = (await create_form(form("for all", isGlobal=True), one)).form
    not_shared = (await create_form(form("of nobody else"), ADMIN)).form
    assert (own.org_id, shared.org_id, not_shared.org_id) == ("one", None, None)
    listed = {who.scope: [each.name for each in await list_forms(who)] for who in (one, two, ADMIN)}
    assert listed == {"one": ["own", "for all"], "two": ["for all"], "GLOBAL": ["for all", "of nobody else"]}
    assert (await get_form(shared.id, in_organization(USER, "two"))).form == shared
    for form_id in (own.id, not_shared.id):
        with pytest.raises(NotFoundError):
            await get_form(form_id, two)
    # The same name in another scope is another form's.
    assert (await create_form(form("own"), two)).form.org_id == "two"
    await execute_form_handler(shared.id, data(text="x"), in_organization(USER, "two"))
    assert len((await list_executions(ExecutionListQuery(), two)).executions) == 1
    assert (await list_executions(ExecutionListQuery(), one)).executions == []


async def test_whether_a_form_is_global_stays_as_it_was_made():
    one = in_organization(ADMIN, "one")
    made = await create_form(form("own"), one)
    with pytest.raises(InvalidInputError, match="isGlobal"):
        await update_form(made.form.id, patch("own", isGlobal=True), one)
    shared = await create_form(form("for all", isGlobal=True), one)
    assert (await update_form(shared.form.id, patch("renamed", isGlobal=True), one)).scope == "GLOBAL"


async def test_roles_say_who_may_see_what():
    await create_form(form("public"), ADMIN)
    await create_form(form("for sales", isPublic=False, roles=["Sales"]), ADMIN)
    await create_form(form("for nobody", isPublic=False), ADMIN)
    await create_form(form("not yet", isActive=False), ADMIN)
    seen = {
        name: [each.name for each in await list_forms(who)]
        for name, who in {"admin": ADMIN, "user": USER, "sales": replace(USER, roles=frozenset({"Sales"}))}.items()
    }
    assert seen == {
        "admin": ["for nobody", "for sales", "not yet", "public"],
        "user": ["public"],
        "sales": ["for sales", "public"],
    }


async def test_a_large_form_is_kept_whole_and_leaves_nothing_behind():
    # Nothing to compress, so that it does not fit into a row.
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(49_000))
    fields = [{"name": f"note{number}", "type": "markdown", "content": noise[number:]} for number in range(3)]
    made = await create_form(form("large", *fields), ADMIN)
    assert "blob" in made.row.values
    assert (await get_form(made.form.id, USER)).form == made.form
    assert [each.id for each in await list_forms(USER)] == [made.form.id]
    small = {"fields": [{"name": "a", "type": "number"}]}
    await update_form(made.form.id, patch(formSchema=small), ADMIN)
    assert await get_services().storage.blobs(CONTAINER).get(made.row.values["blob"]) is None
    assert (await get_form(made.form.id, USER)).form.form_schema.fields[0].name == "a"


async def test_many_who_make_forms_of_one_name_make_one():
    made = await asyncio.gather(*(create_form(form("one"), ADMIN) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, ConflictError) for each in made) == 7
    assert len(await list_forms(ADMIN)) == 1


async def test_a_taken_name_refuses_a_renaming_and_the_old_name_becomes_free():
    first, second = [await create_form(form(name), ADMIN) for name in ("first", "second")]
    with pytest.raises(ConflictError):
        await update_form(second.form.id, patch("First"), ADMIN)
    await update_form(first.form.id, patch("third"), ADMIN)
    assert (await update_form(second.form.id, patch("First"), ADMIN)).form.name == "First"


async def test_a_known_version_that_is_over_neither_changes_nor_deletes():
    made = await create_form(form(), ADMIN)
    changed = await update_form(made.form.id, patch(description="new"), ADMIN, {made.version})
    for write in (
        update_form(made.form.id, patch(description="newer"), ADMIN, {made.version}),
        delete_form(made.form.id, ADMIN, {made.version}),
        delete_form(made.form.id, ADMIN, set()),
    ):
        with pytest.raises(PreconditionFailedError):
            await write
    assert (await get_form(made.form.id, ADMIN)).version == changed.version
    await delete_form(made.form.id, ADMIN, {changed.version, "another"})
    with pytest.raises(NotFoundError):
        await get_form(made.form.id, ADMIN)


async def test_writers_who_name_no_version_all_succeed_or_are_told():
    made = await create_form(form(), ADMIN)
    writes = [update_form(made.form.id, patch(description=str(number)), ADMIN) for number in range(2)]
    await asyncio.gather(*writes)
    assert (await get_form(made.form.id, ADMIN)).form.description in {"0", "1"}


@pytest.mark.parametrize("form_id", ["nothing", "", "0' or 'a", "../x", "{12345678123456781234567812345678}"])
async def test_what_is_no_id_is_not_found(form_id: str):
    with pytest.raises(NotFoundError):
        await get_form(form_id, ADMIN)


async def test_what_the_workflow_does_not_take_is_refused_when_the_form_is_saved():
    with pytest.raises(InvalidInputError) as caught:
        await create_form(
            form("x", {"name": "a", "type": "number"}, {"name": "c", "type": "text"}, linkedWorkflow="add"), ADMIN
        )
    assert [error["loc"] for error in caught.value.errors] == [["body", "formSchema", "fields", 1, "name"]]


async def test_the_workflows_own_rules_hold_besides_the_forms():
    made = await create_form(form("x", {"name": "a", "type": "text"}, linkedWorkflow="add"), ADMIN)
    for values in ({}, {"a": "many"}):
        with pytest.raises(InvalidInputError) as caught:
            await execute_form_handler(made.form.id, data(**values), USER)
        assert [error["loc"] for error in caught.value.errors] == [["body", "form_data", "a"]]
    assert await submitted(made.form.id, a="4") == {"sum": 5}


async def test_a_choice_beyond_the_first_page_of_a_long_list_is_found_by_search():
    number = {"name": "number", "type": "select", "dataProvider": "numbers"}
    made = await create_form(form("x", number, {**number, "name": "more", "multiple": True}), ADMIN)
    assert await submitted(made.form.id, number="977", more=["3", "978"]) == {"number": "977", "more": ["3", "978"]}
    with pytest.raises(InvalidInputError) as caught:
        await execute_form_handler(made.form.id, data(number="97x"), USER)
    assert caught.value.errors[0]["loc"][-1] == "number"


async def test_one_submission_works_out_each_value_and_each_expression_once(monkeypatch: pytest.MonkeyPatch):
    shows = {"visibilityExpression": "text != 'no'"}
    bound = {"level": {"mode": "expression", "expression": "int(text)"}}
    dropdown = {"type": "select", "dataProvider": "meets", "dataProviderInputs": bound, **shows}
    fields = [{"name": "text", "type": "text"}, {"name": "it", **dropdown}, {"name": "note", "type": "text", **shows}]
    made = await create_form(form("x", *fields), ADMIN)
    read: list[str] = []
    evaluated: list[str] = []

    def read_counted(field: Any, value: Any) -> Any:
        read.append(field.name)
        return read_value(field, value)

    def evaluate_counted(expression: Expression, values: Any) -> Any:
        evaluated.append(expression.text)
        return evaluate(expression, values)

    evaluate = Expression.evaluate
    monkeypatch.setattr(state, "read_value", read_counted)
    monkeypatch.setattr(Expression, "evaluate", evaluate_counted)
    assert await submitted(made.form.id, text="4", it="5", note="x") == {"text": "4", "it": 5, "note": "x"}
    assert (read, evaluated) == (["text", "it", "note"], ["text != 'no'"] * 2 + ["int(text)"])
    for ask in (
        get_form_options(made.form.id, FormOptionsRequest(form_data={"text": "4"}), USER),
        get_provider_options(made.form.id, "meets", FormProviderRequest(form_data={"text": "4"}), USER),
    ):
        read.clear()
        evaluated.clear()
        await ask
        assert (read, evaluated) == (["text"], ["text != 'no'"] * 2 + ["int(text)"])


async def test_a_providers_function_is_looked_up_once_for_each_call(monkeypatch: pytest.MonkeyPatch):
    made = await create_form(form("x", {"name": "number", "type": "select", "dataProvider": "numbers"}), ADMIN)
    found: list[str] = []

    def counted(registry: FunctionRegistry, name: str) -> Any:
        found.append(name)
        return get_function(registry, name)

    get_function = FunctionRegistry.get_function
    for method in ("get_function", "get_data_provider", "get_workflow"):
        monkeypatch.setattr(FunctionRegistry, method, counted)
    await get_provider_options(made.form.id, "numbers", FormProviderRequest(inputs={"search": "9"}), USER)
    await get_form_options(made.form.id, FormOptionsRequest(), USER)
    await get_data_provider_options_handler("numbers", ProviderRequest(inputs={"search": "9"}), USER)
    assert found == ["numbers"] * 3
    # Asked again with a search, since the value is not on the first page.
    assert await submitted(made.form.id, number="977") == {"number": "977"}
    # The workflow for what it takes, and by whoever runs it.
    assert found == ["numbers"] * 4 + ["takes_all"] * 2


async def test_a_provider_that_fails_refuses_the_choice_unless_options_are_not_strict():
    field = {"name": "it", "type": "select", "dataProvider": "fails_now"}
    strict = await create_form(form("strict", field), ADMIN)
    with pytest.raises(ProviderFailedError, match="Not now"):
        await execute_form_handler(strict.form.id, data(it="x"), USER)
    assert await submitted(strict.form.id) == {}
    loose = await create_form(form("loose", {**field, "strictOptions": False}), ADMIN)
    assert await submitted(loose.form.id, it="x") == {"it": "x"}


async def test_a_cascade_of_five_levels_is_one_call_in_which_one_failure_stays_alone():
    def depends(level: int) -> dict[str, Any]:
        bound = {"mode": "fieldRef", "fieldName": f"level{level - 1}"}
        inputs = {"level": bound} if level > 1 else {}
        return {"name": f"level{level}", "type": "select", "dataProvider": "meets", "dataProviderInputs": inputs}

    broken = {"name": "broken", "type": "select", "dataProvider": "fails_now"}
    made = await create_form(form("x", *(depends(level) for level in range(1, 6)), broken), ADMIN)
    values = {f"level{level}": level for level in range(1, 6)}
    answer = await get_form_options(made.form.id, FormOptionsRequest(form_data=values), USER)
    assert [(each.state, [option["value"] for option in each.options]) for each in answer.fields] == [
        *(("ready", [level]) for level in range(1, 6)),
        ("error", []),
    ]
    assert answer.fields[-1].message == "Not now"


async def test_an_expression_that_fails_is_an_error_of_its_field():
    bound = {"mode": "expression", "expression": "int(text)"}
    field = {"name": "it", "type": "select", "dataProvider": "meets", "dataProviderInputs": {"level": bound}}
    made = await create_form(form("x", {"name": "text", "type": "text"}, field), ADMIN)
    asked = FormProviderRequest(form_data={"text": "4"})
    assert (await get_provider_options(made.form.id, "meets", asked, USER)).options[0]["value"] == 5
    with pytest.raises(InvalidInputError) as caught:
        await get_provider_options(made.form.id, "meets", FormProviderRequest(form_data={"text": "four"}), USER)
    assert caught.value.errors[0]["loc"] == ["body", "form_data", "it"]


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("raise", ProviderFailedError, "The workflow 'launch' failed"),
        ("user", ProviderFailedError, "Closed today"),
        ("sleep", ProviderTimeoutError, "launch was stopped after 1 s, its time limit"),
    ],
)
async def test_a_start_up_that_fails_is_an_error_with_the_authors_words_only(
    how: str, error: type[ProviderFailedError], message: str
):
    made = await create_form(form(launchWorkflowId="launch", defaultLaunchParams={"how": how}), ADMIN)
    with pytest.raises(error) as caught:
        await start_form(made.form.id, data(), {}, USER)
    assert (caught.value.message, caught.value.details) == (message, None)
    assert (await start_form(made.form.id, data(how="better", other=1), {"how": "x"}, USER)).result == "better"
    for who in (ADMIN, USER, OTHER_USER):
        assert (await list_executions(ExecutionListQuery(), who)).executions == []


async def test_start_up_parameters_may_come_in_the_query_where_the_form_says_so():
    field = {"name": "how", "type": "text", "allowAsQueryParam": True}
    made = await create_form(form("x", field, launchWorkflowId="launch"), ADMIN)
    assert (await start_form(made.form.id, data(how="said"), {"how": "asked"}, USER)).result == "asked"


async def test_an_expression_that_names_no_field_of_the_form_is_refused_when_the_form_is_saved():
    hidden = {"name": "text", "type": "text", "visibilityExpression": "formData.txt == 'a'"}
    with pytest.raises(InvalidInputError) as caught:
        await create_form(form("typing error", hidden), ADMIN)
    (error,) = caught.value.errors
    assert error["loc"] == ["body", "formSchema", "fields", 0, "visibilityExpression"]
    assert error["msg"] == "The form has no field 'txt'"


async def test_a_submission_made_again_gives_the_first_run_though_its_option_is_gone():
    form_id = (await create_form(form("Passing", PASSING), ADMIN)).form.id
    body, key = data(pick="a"), IdempotencyKey.of("again", f"POST /api/forms/{form_id}/execute", {"pick": "a"})
    first = await execute_form_handler(form_id, body, USER, key)
    sys.modules["forms_of_the_test"].offered.clear()
    again = await execute_form_handler(form_id, body, USER, key)
    assert (again.replayed, again.answer.execution_id) == (True, first.answer.execution_id)
    with pytest.raises(InvalidInputError):
        await execute_form_handler(form_id, body, USER)
    with pytest.raises(InvalidInputError):  # Another caller's key is another key.
        await execute_form_handler(form_id, body, OTHER_USER, key)
    with pytest.raises(ConflictError):
        await execute_form_handler(form_id, data(pick="b"), USER, IdempotencyKey.of("again", key.route, {"pick": "b"}))


async def test_a_submission_that_was_refused_may_be_made_again_with_its_key():
    form_id = (await create_form(form("Refused", PASSING), ADMIN)).form.id
    key = IdempotencyKey.of("refused", "POST", {"pick": "b"})
    with pytest.raises(InvalidInputError):
        await execute_form_handler(form_id, data(pick="b"), USER, key)
    sys.modules["forms_of_the_test"].offered.append("b")
    made = await execute_form_handler(form_id, data(pick="b"), USER, key)
    assert not made.replayed


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"type": "number", "defaultValue": "many"}, "float_parsing"),
        ({"type": "number", "validation": {"max": 3}, "defaultValue": 4}, "too_large"),
        ({"type": "radio", "options": [{"label": "A", "value": "a"}], "defaultValue": "b"}, "option"),
        ({"type": "file", "defaultValue": "x"}, "no_default"),
    ],
)
async def test_a_default_that_could_never_be_submitted_is_refused_when_the_form_is_saved(
    field: dict[str, Any], kind: str
):
    with pytest.raises(InvalidInputError) as caught:
        await create_form(form("Default", {"name": "value", **field}), ADMIN)
    place = ["body", "formSchema", "fields", 0, "defaultValue"]
    assert [(error["loc"], error["type"]) for error in caught.value.errors] == [(place, kind)]


async def test_defaults_that_fit_or_are_for_a_provider_to_judge_are_taken():
    fields = [
        {"name": "number", "type": "number", "defaultValue": "4"},
        {"name": "choice", "type": "select", "options": [{"label": "1", "value": 1}], "defaultValue": "1"},
        {"name": "many", "type": "select", "multiple": True, "dataProvider": "numbers", "defaultValue": ["7"]},
        {"name": "empty", "type": "datetime", "defaultValue": ""},
    ]
    form_id = (await create_form(form("Defaults", *fields), ADMIN)).form.id
    assert await submitted(form_id) == {"number": 4, "choice": 1, "many": ["7"]}
