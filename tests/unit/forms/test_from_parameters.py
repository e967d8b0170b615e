"""A form made from a workflow's parameters: it is taken as a form, and what it is filled in with by the workflow."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from shared.decorators import data_provider, metadata_of, param, workflow
from shared.errors import ConflictError
from shared.forms.checks import submitted_values
from shared.forms.choices import Choices
from shared.forms.definitions import check_definition
from shared.forms.from_parameters import form_of
from shared.forms.state import FormState
from shared.models.data_providers import Option
from shared.models.forms import FormField, FormRequest
from shared.parameters.validation import plan_of
from shared.registry import FunctionRegistry, get_registry, staging


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(BaseModel):
    x: int


def plain(
    name: str,
    count: int,
    price: float,
    sure: bool,
    when: date,
    at: datetime,
    key: UUID,
    amount: Decimal,
    hour: time,
    token: SecretStr,
    point: Point,
    tags: list[str],
    numbers: list[int],
    anything: Any,
    mixed: int | str,
): ...


def chosen(
    size: Size,
    level: Level,
    word: Literal["a", "b, c"],
    both: Literal["a", 1],
    sizes: list[Size],
    words: list[Literal["x, y", "z"]],
    numbers: set[Literal[1, 2]],
    maybe: Size | None = None,
    nothing: Literal["a", ""] = "",
): ...


def with_defaults(
    name: str = "Ada",
    count: int = 3,
    sure: bool = True,
    unsure: bool | None = None,
    when: date = date(2026, 3, 1),
    size: Size = Size.LARGE,
    levels: list[Level] = [Level.HIGH],  # noqa: B006 - authors write it
    tags: list[str] = ["a, b", "c"],  # noqa: B006
    point: Point = Point(x=1),  # noqa: B008
    token: SecretStr = SecretStr("hunter2"),  # noqa: B008
    empty: str = "",
    none: int | None = None,
    **others: Any,
): ...


@param(
    "name",
    type="string",
    label="Your name",
    required=True,
    validation={"min_length": 2, "max_length": 80},
    help_text="Both",
)
@param("code", type="string", validation={"pattern": "[0-9]{4}"}, default_value="1234")
@param("looks", type="string", validation={"pattern": "(?=a)a"})
@param("age", type="int", validation={"min": 1, "max": 9}, default_value=5)
@param("mail", type="email", required=True)
@param("day", type="date", validation={"enum": ["2026-03-01", "2026-03-02"]})
@param("colour", type="string", validation={"enum": ["red", "green"]}, default_value="green", required=True)
@param("many", type="list", validation={"enum": [1, 2], "max_length": 1})
@param("few", type="list", validation={"max_length": 2})
@param("data", type="json", default_value={"a": [1]})
@param("moment", type="datetime")
def declared(name, code, looks, age, mail, day, colour, many, few, data, moment): ...


def bounded(count: Annotated[int, Field(ge=1, le=5)], name: Annotated[str, Field(max_length=3)] | None = None): ...


@param("country", type="string", required=True, data_provider="countries")
@param("city", type="string", required=True, data_provider="cities")
@param("streets", type="list", data_provider="streets")
@param("unknown", type="string", data_provider="not_there")
@param("lonely", type="int", data_provider="lonely")
@param("left", type="string", data_provider="of_right")
@param("right", type="string", data_provider="of_left")
def provided(country, city, streets, unknown, lonely, left, right): ...


def nothing(): ...


WORKFLOWS = (plain, chosen, with_defaults, declared, bounded, provided, nothing)
OPTIONS = [Option(label="one, two", value="one, two", metadata=None)]


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    with staging(FunctionRegistry()):
        data_provider("countries")(lambda_of("search", default=True))
        data_provider("cities")(lambda_of("country"))
        data_provider("streets")(lambda_of("city"))
        data_provider("lonely")(lambda_of("continent"))
        data_provider("of_right")(lambda_of("right"))
        data_provider("of_left")(lambda_of("left"))
        yield


def lambda_of(name: str, *, default: bool = False) -> Any:
    """A provider's function with one parameter of this name."""
    scope: dict[str, Any] = {}
    exec(f"def provide({name}{'=None' if default else ''}): return []", scope)
    return scope["provide"]


def made_from(function: Any) -> FormRequest:
    if metadata_of(function) is None:
        workflow(name=function.__name__)(function)
    metadata = metadata_of(function)
    assert metadata is not None
    get_registry().register_function(metadata)
    return form_of(metadata)


def fields_of(function: Any) -> Mapping[str, FormField]:
    return {field.name: field for field in made_from(function).form_schema.fields}


FILLED_IN: dict[str, Any] = {
    "text": "5",
    "textarea": '{"x": 1}',
    "email": "a@example.com",
    "number": "3",
    "checkbox": "on",
    "date": "2026-03-01",
    "datetime": "2026-03-01T10:00",
    "password": "hunter2",
}
BY_NAME = {
    "key": "12345678-1234-5678-1234-567812345678",
    "hour": "10:30",
    "code": "4321",
    "looks": "a",
    "name": "Ada",
}


def filled_in(field: FormField) -> Any:
    if field.options is not None:
        return [field.options[-1].value] if field.multiple else field.options[-1].value
    if field.data_provider is not None:
        return [OPTIONS[0]["value"]] if field.multiple else OPTIONS[0]["value"]
    return BY_NAME.get(field.name, FILLED_IN[field.type])


@pytest.mark.parametrize("function", WORKFLOWS)
@pytest.mark.parametrize("how", ["all", "required", "defaults"])
def test_a_form_made_from_parameters_is_taken_and_what_fills_it_in_is_taken_by_the_workflow(function: Any, how: str):
    body = FormRequest.model_validate_json(made_from(function).model_dump_json())
    check_definition(body)
    wanted = [field for field in body.form_schema.fields if how == "all" or field.required or field.type == "checkbox"]
    given = {field.name: filled_in(field) for field in wanted if how != "defaults" or field.default_value is None}
    choices = {field.name: Choices(OPTIONS) for field in body.form_schema.fields if field.data_provider}
    values = submitted_values(FormState(body.form_schema, given), choices)
    metadata = metadata_of(function)
    assert metadata is not None
    assert plan_of(metadata).validator.validate(values).keys() >= given.keys()


def test_each_type_has_its_field():
    assert {name: field.type for name, field in fields_of(plain).items()} == {
        "name": "text",
        "count": "number",
        "price": "number",
        "sure": "checkbox",
        "when": "date",
        "at": "datetime",
        "key": "text",
        "amount": "number",
        "hour": "text",
        "token": "password",
        "point": "textarea",
        "tags": "text",
        "numbers": "text",
        "anything": "textarea",
        "mixed": "textarea",
    }
    assert not fields_of(plain)["sure"].required
    assert fields_of(plain)["name"].required


def test_a_literal_and_an_enum_become_choices():
    fields = fields_of(chosen)
    assert [(option.label, option.value) for option in fields["size"].options or ()] == [("s", "s"), ("l", "l")]
    assert [(option.label, option.value) for option in fields["level"].options or ()] == [("1", 1), ("2", 2)]
    assert {name: field.type for name, field in fields.items() if field.multiple} == dict.fromkeys(
        ["sizes", "words", "numbers"], "multiselect"
    )
    assert [option.value for option in fields["nothing"].options or ()] == ["a"]
    assert not fields["maybe"].required


def test_defaults_stand_in_the_form_but_for_secrets():
    assert {name: field.default_value for name, field in fields_of(with_defaults).items()} == {
        "name": "Ada",
        "count": 3,
        "sure": True,
        "unsure": None,
        "when": "2026-03-01",
        "size": "l",
        "levels": [2],
        "tags": '["a, b", "c"]',
        "point": '{"x": 1}',
        "token": None,
        "empty": None,
        "none": None,
    }
    assert fields_of(with_defaults)["unsure"].type == "select"


def test_labels_help_and_rules_come_along():
    fields = fields_of(declared)
    name, age, code = fields["name"], fields["age"], fields["code"]
    assert (name.label, name.help_text, name.required) == ("Your name", "Both", True)
    rules = [field.validation and field.validation.model_dump(exclude_none=True) for field in (name, age, code)]
    assert rules == [{"min": 2, "max": 80}, {"min": 1, "max": 9}, {"pattern": "[0-9]{4}"}]
    # What a form can't check, the workflow does.
    assert (fields["looks"].validation, fields["few"].validation) == (None, None)
    assert fields["many"].validation is not None
    bounds = {name: field.validation for name, field in fields_of(bounded).items()}
    assert {name: rules and (rules.min, rules.max) for name, rules in bounds.items()} == {
        "count": (1, 5), "name": (None, 3)
    }  # fmt: skip


def test_a_provider_becomes_a_dropdown_whose_inputs_are_the_fields_of_these_names():
    fields = fields_of(provided)
    assert {name: (field.type, field.data_provider) for name, field in fields.items()} == {
        "country": ("select", "countries"),
        "city": ("select", "cities"),
        "streets": ("multiselect", "streets"),
        # Its provider is gone; nothing fills its provider's input; or it would wait for one that waits for it.
        "unknown": ("text", None),
        "lonely": ("number", None),
        "left": ("text", None),
        "right": ("select", "of_left"),
    }
    bound = fields["city"].data_provider_inputs["country"]
    assert (bound.mode, bound.field_name) == ("fieldRef", "country")


def test_a_workflow_that_no_form_can_ask_for_says_so():
    def unnamed(größe: int): ...

    with pytest.raises(ConflictError, match="größe"):
        made_from(unnamed)

    def optional(größe: int = 1, size: int = 2): ...

    assert [*fields_of(optional)] == ["size"]


def test_a_form_has_room_for_what_is_required_before_the_rest():
    scope: dict[str, Any] = {}
    arguments = [*(f"o{number}=1" for number in range(60)), *(f"r{number}" for number in range(3))]
    exec(f"def many(*, {', '.join(arguments)}): ...", scope)
    made = [*fields_of(scope["many"])]
    assert (len(made), made[-3:]) == (50, ["r0", "r1", "r2"])
