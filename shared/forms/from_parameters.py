"""A form made from what a workflow says of its parameters: where somebody begins who wants one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from shared.errors import ConflictError
from shared.forms.cascades import CyclicInputsError, check_cycles
from shared.forms.choices import WrongValueError, is_offered
from shared.forms.patterns import HEAVIEST_RULE, HEAVIEST_RULES, is_usable, weight_of
from shared.forms.values import is_empty, read_value
from shared.models.data_providers import Option
from shared.models.forms import (
    FIELD_NAME,
    MOST_FIELDS,
    MOST_OPTIONS,
    FieldType,
    FieldValidation,
    FormField,
    FormOption,
    FormRequest,
    FormSchema,
    ProviderInput,
    rules_of,
)
from shared.parameters.annotations import is_secret
from shared.parameters.json_schema import is_required, parameter_schema, parameters_of
from shared.parameters.types import label_of_choice, offered_choices
from shared.parameters.validation import ParameterValidator, plan_of
from shared.registry import FunctionMetadata, WorkflowParameter, get_registry, in_words
from shared.serialization import to_json

_LONGEST_LABEL = 200
_LONGEST_TEXT = 2000
_LONGEST_PATTERN = 500
_TYPES: Mapping[str, FieldType] = {
    "string": "text",
    "email": "email",
    "int": "number",
    "float": "number",
    "bool": "checkbox",
    "date": "date",
    "datetime": "datetime",
    # Written with commas between its items.
    "list": "text",
    "json": "textarea",
}
_YES_OR_NO = [FormOption(label="Yes", value=True), FormOption(label="No", value=False)]
# The rules of a field, each by the names that `@param` and JSON Schema have for it.
_BOUNDS = {
    "min": ("min", "min_length", "minimum", "minLength", "minItems"),
    "max": ("max", "max_length", "maximum", "maxLength", "maxItems"),
}


def form_of(metadata: FunctionMetadata) -> FormRequest:
    """A form that asks for a workflow's parameters, as `POST /forms` takes it.

    Args:
        metadata: of the workflow, in a workspace that is loaded.

    Raises:
        ConflictError: no form can ask for all that the workflow requires: more fields than a form has, or a parameter
            with a name that no field can have.
    """
    parameters = _shown_parameters(metadata)
    names = {parameter.name for parameter in parameters}
    fields = {parameter.name: _field_of(parameter, names) for parameter in parameters}
    _leave_out_misfits(fields, plan_of(metadata).validator)
    while True:
        schema = FormSchema(fields=list(fields.values()))
        try:
            check_cycles(schema)
        except CyclicInputsError as error:
            # Dropdowns that wait for each other: the first of them is filled in by hand.
            first = next(parameter for parameter in parameters if parameter.name in error.names)
            fields[first.name] = _plain_field(first)
        else:
            break
    return FormRequest(
        name=in_words(metadata.name),
        description=metadata.description[:_LONGEST_TEXT],
        linked_workflow=metadata.name,
        form_schema=schema,
    )


def _leave_out_misfits(fields: dict[str, FormField], validator: ParameterValidator) -> None:
    """Takes out of fields what a form may not have though the parameter does."""
    together = 0
    for name, field in fields.items():
        default, rules = field.default_value, field.validation
        if default is not None and not validator.admits(name, default):
            # Python fills in a signature's default whatever it is; nobody else may send it.
            default = None
        if rules is not None and rules.pattern is not None:
            together += weight_of(rules.pattern)
            if together > HEAVIEST_RULES:
                rules = rules.model_copy(update={"pattern": None})
        fields[name] = field.model_copy(update={"default_value": default, "validation": rules})


def _shown_parameters(metadata: FunctionMetadata) -> list[WorkflowParameter]:
    """The parameters that get a field, in their order: as many of the optional ones as there is room for."""
    parameters, _ = parameters_of(metadata)
    nameable = [parameter for parameter in parameters if FIELD_NAME.fullmatch(parameter.name)]
    required = [parameter for parameter in parameters if is_required(parameter)]
    unnamed = [parameter.name for parameter in required if parameter not in nameable]
    if unnamed:
        raise ConflictError(f"{metadata.name} requires {', '.join(unnamed)}, and no field of a form can be called so")
    if len(required) > MOST_FIELDS:
        raise ConflictError(f"{metadata.name} requires {len(required)} parameters; a form has {MOST_FIELDS} fields")
    optional = [parameter.name for parameter in nameable if not is_required(parameter)]
    left_out = optional[MOST_FIELDS - len(required) :]
    return [parameter for parameter in nameable if parameter.name not in left_out]


def _field_of(parameter: WorkflowParameter, names: set[str]) -> FormField:
    inputs = _provider_inputs(parameter, names)
    if inputs is not None:
        kind = "multiselect" if parameter.type == "list" else "select"
        return _field(parameter, kind, data_provider=parameter.data_provider, data_provider_inputs=inputs)
    return _plain_field(parameter)


def _provider_inputs(parameter: WorkflowParameter, names: set[str]) -> dict[str, ProviderInput] | None:
    """What the parameter's data provider is asked with; None without one, or one that fields can't ask."""
    if parameter.data_provider is None:
        return None
    provider = get_registry().get_data_provider(parameter.data_provider)
    if provider is None:
        return None
    needed = [each.name for each in provider.parameters if each.required and not each.has_default]
    if not names.issuperset(needed):
        return None
    return {name: ProviderInput(mode="fieldRef", field_name=name) for name in needed}


def _plain_field(parameter: WorkflowParameter) -> FormField:
    options = _options_of(parameter)
    if options:
        return _field(parameter, "multiselect" if parameter.type == "list" else "select", options=options)
    kind = "password" if is_secret(parameter.annotation) else _TYPES[parameter.type]
    if kind == "checkbox" and parameter.nullable:
        # A checkbox knows no third state.
        return _field(parameter, "select", options=_YES_OR_NO)
    placeholder = "a, b, c" if parameter.type == "list" else None
    return _field(parameter, kind, placeholder=placeholder)


def _options_of(parameter: WorkflowParameter) -> list[FormOption]:
    """The choices that a form can offer; empty without any, or with more than it has room for."""
    found: dict[str, FormOption] = {}
    for choice in cast("list[Any]", to_json(offered_choices(parameter) or [])):
        if is_offered(Option(label="", value=choice, metadata=None)):
            label = label_of_choice(choice)[:_LONGEST_LABEL]
            found.setdefault(json.dumps(choice, sort_keys=True), FormOption(label=label, value=choice))
    return list(found.values()) if len(found) <= MOST_OPTIONS else []


def _field(parameter: WorkflowParameter, kind: FieldType, **more: Any) -> FormField:
    field = FormField(
        name=parameter.name,
        label=(parameter.label or "")[:_LONGEST_LABEL],
        type=kind,
        # A required checkbox must be checked; one that is not is false, which is a value too.
        required=kind != "checkbox" and is_required(parameter),
        help_text=parameter.help_text[:_LONGEST_TEXT] if parameter.help_text else None,
        **more,
    )
    field = field.model_copy(update={"validation": _validation_of(parameter, field)})
    return field.model_copy(update={"default_value": _default_of(parameter, field)})


def _validation_of(parameter: WorkflowParameter, field: FormField) -> FieldValidation | None:
    """The parameter's own rules, as far as a field has them; the workflow holds values against all of them."""
    is_json_text = parameter.type in ("json", "list") and not field.multiple
    known = () if is_json_text else rules_of(field)
    stated = parameter.validation or _stated_bounds(parameter)
    rules: dict[str, Any] = {}
    for rule in ("min", "max"):
        value = next((stated[name] for name in _BOUNDS[rule] if name in stated), None)
        if rule in known and isinstance(value, (int, float)) and abs(value) < 2**1023:
            rules[rule] = value
    # JSON Schema's patterns are for any part of a text.
    pattern = stated.get("pattern") if parameter.validation else None
    if "pattern" in known and pattern and _is_light(pattern):
        rules["pattern"] = pattern
    return FieldValidation(**rules) if rules else None


def _is_light(pattern: str) -> bool:
    """Whether a form takes the pattern, whatever its others are."""
    is_short = len(pattern) <= _LONGEST_PATTERN and weight_of(pattern) <= HEAVIEST_RULE
    return is_short and is_usable(pattern)


def _stated_bounds(parameter: WorkflowParameter) -> Mapping[str, Any]:
    """What the annotation says, as JSON Schema, null aside."""
    schema = parameter_schema(parameter)
    members = [each for each in cast("Sequence[Any]", schema.get("anyOf", [])) if each.get("type") != "null"]
    return members[0] if len(members) == 1 else schema


def _default_of(parameter: WorkflowParameter, field: FormField) -> Any:
    """The parameter's default as the field shows it; None for one that it can't hold."""
    default = to_json(parameter.default_value) if parameter.has_default else None
    if is_empty(default) or field.type == "password":
        return None
    if parameter.type == "json" and parameter.annotation in (None, Any, object, bytes) and field.type == "textarea":
        # Text is what such a parameter gets, so that a default of another type would not come back as it was.
        return None
    if parameter.type in ("json", "list") and not field.multiple and not isinstance(default, str):
        default = json.dumps(default, ensure_ascii=False)
    try:
        read_value(field, default)
    except WrongValueError:
        return None
    return default
