"""Forms as the API shows them, and as they are stored."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from shared.models.base import ApiModel, UtcDatetime, example
from shared.models.data_providers import Option

MOST_FIELDS = 50
MOST_OPTIONS = 1000
DEFAULT_MAX_SIZE_MB = 100
FieldType = Literal[
    "text",
    "email",
    "number",
    "select",
    "multiselect",
    "checkbox",
    "textarea",
    "radio",
    "date",
    "datetime",
    "password",
    "markdown",
    "html",
    "file",
]
# Shown, and never filled in.
DISPLAY_TYPES = frozenset({"markdown", "html"})
CHOICE_TYPES = frozenset({"select", "multiselect", "radio"})
TEXT_TYPES = frozenset({"text", "textarea", "email", "password"})
FIELD_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")


def _field_name(name: str) -> str:
    if FIELD_NAME.match(name) is None:
        raise ValueError("must begin with a letter or _, and have letters, digits and _ only, at most 63")
    return name


FieldName = Annotated[
    str, AfterValidator(_field_name), WithJsonSchema({"type": "string", "pattern": FIELD_NAME.pattern})
]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class FormOption(ApiModel):
    """A choice that stands in the form itself."""

    label: str = Field(max_length=200)
    value: Any


def _none_if_blank(pattern: str | None) -> str | None:
    """Form builders send an empty pattern for none; as one it would take nothing but an empty text."""
    return pattern or None


class FieldValidation(ApiModel):
    """Rules of a field: `min` and `max` bound a number, or the length of a text."""

    pattern: Annotated[str | None, AfterValidator(_none_if_blank)] = Field(default=None, max_length=500)
    min: float | None = None
    max: float | None = None
    message: str | None = Field(default=None, max_length=500)


def rules_of(field: FormField) -> frozenset[str]:
    """The rules of `validation` that mean something for a field, `message` aside.

    `min` and `max` bound the length of a text, a number, or how many are chosen where a field takes several.
    """
    if field.type in TEXT_TYPES:
        return frozenset({"pattern", "min", "max"})
    return frozenset({"min", "max"}) if field.type == "number" or field.multiple else frozenset()


_INPUTS_OF_A_TEXT = (("fieldRef", "fieldName"), ("static", "value"))


class ProviderInput(ApiModel):
    """Where a parameter of a data provider comes from."""

    @model_validator(mode="before")
    @classmethod
    def _is_an_object(cls, given: Any) -> Any:
        if isinstance(given, str):
            field, value = (
                json.dumps({"mode": mode, name: given[:100]}, separators=(",", ":")) for mode, name in _INPUTS_OF_A_TEXT
            )
            raise ValueError(f"must be {field} for the value of that field, or {value} for this text")  # noqa: TRY004
        return given

    mode: Literal["static", "fieldRef", "expression"]
    value: Any = None
    field_name: FieldName | None = None
    expression: Expression | None = None

    @model_validator(mode="after")
    def _has_what_its_mode_needs(self) -> ProviderInput:
        if self.mode == "fieldRef" and self.field_name is None:
            raise ValueError("fieldRef needs fieldName")
        if self.mode == "expression" and self.expression is None:
            raise ValueError("expression needs expression")
        return self


class FormField(ApiModel):
    """A field of a form.

    Attributes:
        max_size_mb: how large a file may be, 100 where nothing is said.
        multiple: whether its value is a list: always of a `multiselect`, on demand of a `select` and a `file`.
    """

    name: FieldName
    label: str = Field(default="", max_length=200)
    type: FieldType
    required: bool = False
    validation: FieldValidation | None = None
    data_provider: str | None = Field(default=None, max_length=63)
    data_provider_inputs: dict[str, ProviderInput] = Field(default_factory=dict[str, ProviderInput], max_length=50)
    strict_options: bool = True
    default_value: Any = None
    placeholder: str | None = Field(default=None, max_length=500)
    help_text: str | None = Field(default=None, max_length=2000)
    visibility_expression: Expression | None = None
    options: list[FormOption] | None = Field(default=None, max_length=MOST_OPTIONS)
    allowed_types: list[str] | None = Field(default=None, max_length=50)
    multiple: bool = False
    max_size_mb: float | None = Field(default=None, gt=0, le=10_000, alias="maxSizeMB")
    content: str | None = Field(default=None, max_length=50_000)
    allow_as_query_param: bool = False

    @model_validator(mode="before")
    @classmethod
    def _multiselect_takes_several(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        return {**fields, "multiple": True} if fields.get("type") == "multiselect" else fields


class FormSchema(ApiModel):
    """The fields, in the order in which they are shown."""

    fields: list[FormField] = Field(max_length=MOST_FIELDS)

    @model_validator(mode="after")
    def _names_are_unique(self) -> FormSchema:
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two fields are named {', '.join(twice)}")
        return self


_FormName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_WorkflowName = Annotated[str, StringConstraints(max_length=63)]


class _FormOptions(ApiModel):
    """What a form may say besides what it must."""

    description: str = Field(default="", max_length=2000)
    is_active: bool = True
    is_global: bool = False
    is_public: bool = False
    roles: list[str] = Field(default_factory=list[str], max_length=50)
    launch_workflow_id: _WorkflowName | None = None
    allowed_query_params: list[FieldName] = Field(default_factory=list[str], max_length=50)
    default_launch_params: dict[str, Any] = Field(default_factory=dict[str, Any])


class FormRequest(_FormOptions):
    """What a form is made of."""

    name: _FormName
    linked_workflow: _WorkflowName
    form_schema: FormSchema


_READ_ONLY = frozenset(
    name
    for field in ("id", "org_id", "created_by", "created_at", "updated_at", "problems")
    for name in (field, to_camel(field))
)


class _FormBody(ApiModel):
    """What only the platform decides may stand in a body and changes nothing: a form that was read can be sent back."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_read_only(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in cast("dict[str, Any]", given).items() if name not in _READ_ONLY}


class FormWrite(_FormBody, FormRequest):
    """A new form."""

    model_config = example(
        {
            "name": "Greet somebody",
            "linkedWorkflow": "hello",
            "isPublic": True,
            "formSchema": {"fields": [{"name": "name", "label": "Name", "type": "text", "required": True}]},
        }
    )


class FormPatch(_FormBody, _FormOptions):
    """The fields of a form that change; null sets one back to what it is when it is left out of a new form."""

    model_config = example({"description": "For the front desk", "isActive": False})

    null_clears = True

    name: _FormName | None = None
    linked_workflow: _WorkflowName | None = None
    form_schema: FormSchema | None = None


class FormProblem(ApiModel):
    """What no longer holds in a stored form: where in it (`loc`), the kind of mistake, and a sentence about it."""

    loc: list[str | int]
    type: str
    msg: str


class Form(FormRequest):
    """A stored form.

    Attributes:
        problems: expressions that don't compile; their fields show, and are not required. Worked out when the form is
            read, and not stored.
    """

    id: str
    org_id: str | None
    created_by: str
    created_at: UtcDatetime
    updated_at: UtcDatetime
    problems: list[FormProblem] = Field(default_factory=list[FormProblem])


class FormDataRequest(ApiModel):
    """Values of a form's fields, by name: what to run it with, or what a start-up may look at."""

    model_config = example({"formData": {"customer": "Ada", "country": "de", "city": "Berlin"}})

    form_data: dict[str, Any] = Field(default_factory=dict[str, Any])


class StartupQuery(ApiModel):
    """Parameters of the page that shows the form; those that the form allows are passed on."""

    model_config = ConfigDict(extra="allow")

    @property
    def values(self) -> dict[str, Any]:
        """All of them, by name."""
        return self.model_extra or {}


class StartupResponse(ApiModel):
    """What the launch workflow returned; null for a form without one."""

    result: Any = None


class FormProviderRequest(ApiModel):
    """What a form's data provider is asked.

    Attributes:
        form_data: the form's current values, from which the server works the inputs out.
        inputs: inputs that the client worked out by itself, and what the user is looking for.
        field: which field is meant, when several use the provider in different ways; else the first.
        no_cache: whether the provider runs though an answer is at hand; for administrators.
    """

    model_config = example({"formData": {"country": "de"}, "inputs": {"search": "Ber", "limit": 20}})

    form_data: dict[str, Any] = Field(default_factory=dict[str, Any])
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    field: FieldName | None = None
    no_cache: bool = False


class FormOptionsRequest(ApiModel):
    """The form's current values, and which fields were changed since the options were last asked for; empty for all."""

    model_config = example({"formData": {"country": "de"}, "changed": ["country"]})

    form_data: dict[str, Any] = Field(default_factory=dict[str, Any])
    changed: list[FieldName] = Field(default_factory=list[str], max_length=MOST_FIELDS)


class FieldOptions(ApiModel):
    """The options of one dropdown, or why it has none.

    Attributes:
        name: the field's.
        state: `ready` with options, `waiting` for other fields, `error`, or `hidden` since the field does not show.
        visible: whether the field shows.
        options: of its provider, in that one's order, then chosen ones that are not among the first of a long list;
            empty unless ready.
        waiting_for: the empty fields that come first; empty unless waiting.
        message: what failed; None unless it is an error.
        value_fits: false when the field's current value is no longer a choice, and so counts as empty.
    """

    name: str
    state: Literal["ready", "waiting", "error", "hidden"]
    visible: bool = True
    options: list[Option] = Field(default_factory=list[Option])
    waiting_for: list[str] = Field(default_factory=list[str])
    message: str | None = None
    value_fits: bool = True


class FormOptions(ApiModel):
    """The dropdowns that were asked for, in the form's order, and for every field by its name whether it shows."""

    fields: list[FieldOptions]
    visible: dict[str, bool]


class UploadUrlRequest(ApiModel):
    """A file that a user wants to upload.

    Attributes:
        file_name: what lies before a `/` or `\\` in it, and control characters, are left out.
        content_type: empty for a kind that the browser does not know, which is taken as application/octet-stream.
        file_size: in bytes.
        field: which field the file is for, where the form has several for files.
    """

    model_config = example({"fileName": "offer.pdf", "contentType": "application/pdf", "fileSize": 48_213})

    file_name: str = Field(min_length=1, max_length=255)
    content_type: str = Field(default="", max_length=200, pattern=r"^[ -~]*$")
    file_size: int = Field(ge=0)
    field: FieldName | None = None


class UploadUrlResponse(ApiModel):
    """Where to PUT the file, with the header `x-ms-blob-type: BlockBlob`. Snake_case outside too.

    Attributes:
        upload_id: the value to submit for the field, which may also be `blob_uri`.
        upload_url: signed; creates this one blob, once.
        blob_uri: the blob's address.
        expires_at: until when the URL works.
    """

    model_config = ConfigDict(alias_generator=None)

    upload_id: str
    upload_url: str
    blob_uri: str
    expires_at: UtcDatetime
