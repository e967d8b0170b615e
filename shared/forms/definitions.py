"""What must hold of a form before it is stored: every name in it stands for something, every text of it compiles."""

from __future__ import annotations

from collections.abc import Iterator

from shared.errors import FieldError, InvalidInputError
from shared.forms.cascades import check_cycles
from shared.forms.choices import WrongValueError
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.fitting import misfit
from shared.forms.values import is_empty, read_value
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FieldValidation, FormField, FormRequest, ProviderInput
from shared.parameters.json_schema import parameters_of
from shared.parameters.types import is_linear_pattern
from shared.parameters.validation import plan_of
from shared.registry import FunctionMetadata, get_registry

_Loc = list[str | int]
_WITHOUT_DEFAULT = {
    "file": "A file can't be uploaded beforehand",
    "password": "Everybody who sees the form would read it; keep secrets in the configuration",
}


def check_definition(body: FormRequest) -> None:
    """Checks a form against the workspace, which must be loaded.

    Raises:
        InvalidInputError: names each place that is wrong.
    """
    problems = [*_workflow_problems(body), *_field_problems(body)]
    if problems:
        names = ", ".join(".".join(str(part) for part in problem["loc"][1:]) for problem in problems[:5])
        raise InvalidInputError(f"The form is not valid: {names}", problems)
    check_cycles(body.form_schema)


def _workflow_problems(body: FormRequest) -> Iterator[FieldError]:
    linked = get_registry().get_workflow(body.linked_workflow)
    if linked is None:
        yield _problem(["body", "linkedWorkflow"], "unknown", f"There is no workflow named {body.linked_workflow!r}")
    else:
        for index, field in enumerate(body.form_schema.fields):
            if field.type not in DISPLAY_TYPES and not plan_of(linked).validator.takes(field.name):
                message = f"{linked.name} has no parameter {field.name!r}, so that its value would go nowhere"
                yield _problem([*_place(index), "name"], "no_parameter", message)
        yield from _misfits(body, linked)
    if body.launch_workflow_id is None:
        if body.default_launch_params:
            message = "There is no launchWorkflowId that could take them"
            yield _problem(["body", "defaultLaunchParams"], "no_workflow", message)
        return
    launched = get_registry().get_workflow(body.launch_workflow_id)
    if launched is None:
        message = f"There is no workflow named {body.launch_workflow_id!r}"
        yield _problem(["body", "launchWorkflowId"], "unknown", message)
        return
    for name in body.default_launch_params:
        if not plan_of(launched).validator.takes(name):
            message = f"{launched.name} has no parameter {name!r}"
            yield _problem(["body", "defaultLaunchParams", name], "no_parameter", message)


def _misfits(body: FormRequest, linked: FunctionMetadata) -> Iterator[FieldError]:
    parameters = {parameter.name: parameter for parameter in parameters_of(linked)[0]}
    for index, field in enumerate(body.form_schema.fields):
        message = misfit(field, parameters[field.name]) if field.name in parameters else None
        if message is not None:
            yield _problem([*_place(index), "type"], "misfit", message)


def _field_problems(body: FormRequest) -> Iterator[FieldError]:
    fields = {field.name: field for field in body.form_schema.fields}
    for index, field in enumerate(body.form_schema.fields):
        place = _place(index)
        if field.visibility_expression is not None:
            yield from _expression_problems(field.visibility_expression, fields, [*place, "visibilityExpression"])
        if field.validation is not None:
            yield from _validation_problems(field.validation, [*place, "validation"])
        yield from _default_problems(field, [*place, "defaultValue"])
        if field.type == "password" and field.allow_as_query_param:
            message = "A password has no place in an address, which browsers and logs keep"
            yield _problem([*place, "allowAsQueryParam"], "password", message)
        if field.data_provider is not None:
            yield from _provider_problems(field, fields, place)
        elif field.data_provider_inputs:
            yield _problem([*place, "dataProviderInputs"], "no_provider", "There is no dataProvider that takes them")
        elif field.type in CHOICE_TYPES and not field.options:
            yield _problem([*place, "options"], "missing", "A choice needs options, or a dataProvider that gives them")


def _validation_problems(rules: FieldValidation, place: _Loc) -> Iterator[FieldError]:
    if rules.pattern is not None and not is_linear_pattern(rules.pattern):
        message = "is no regular expression, or one with look-around or back references, which are not taken"
        yield _problem([*place, "pattern"], "pattern", message)
    if rules.min is not None and rules.max is not None and rules.min > rules.max:
        yield _problem([*place, "min"], "range", "is more than max")


def _default_problems(field: FormField, place: _Loc) -> Iterator[FieldError]:
    """A default that does not fit refuses every submission that leaves it; a provider's options are not known yet."""
    if field.type in DISPLAY_TYPES or is_empty(field.default_value):
        return
    if field.type in _WITHOUT_DEFAULT:
        yield _problem(place, "no_default", _WITHOUT_DEFAULT[field.type])
        return
    try:
        read_value(field, field.default_value)
    except WrongValueError as error:
        # An unusable pattern is named by itself.
        if error.kind != "pattern_unusable":
            yield _problem(place, error.kind, error.message_of(field))


def _provider_problems(field: FormField, fields: dict[str, FormField], place: _Loc) -> Iterator[FieldError]:
    assert field.data_provider is not None
    if field.type in DISPLAY_TYPES or field.type == "file":
        yield _problem([*place, "dataProvider"], "no_choice", f"A field of type {field.type} has no options")
        return
    provider = get_registry().get_data_provider(field.data_provider)
    if provider is None:
        message = f"There is no data provider named {field.data_provider!r}"
        yield _problem([*place, "dataProvider"], "unknown", message)
        return
    for parameter in provider.parameters:
        # A default makes a required parameter one that can be left out.
        if parameter.required and not parameter.has_default and parameter.name not in field.data_provider_inputs:
            message = f"{provider.name} needs {parameter.name!r}, and nothing is bound to it"
            yield _problem([*place, "dataProviderInputs", parameter.name], "missing", message)
    for name, given in field.data_provider_inputs.items():
        there = [*place, "dataProviderInputs", name]
        if not plan_of(provider).validator.takes(name):
            yield _problem(there, "no_parameter", f"{provider.name} has no parameter {name!r}")
        yield from _input_problems(given, fields, there)


def _input_problems(given: ProviderInput, fields: dict[str, FormField], place: _Loc) -> Iterator[FieldError]:
    if given.mode == "expression":
        assert given.expression is not None
        yield from _expression_problems(given.expression, fields, [*place, "expression"])
    elif given.mode == "fieldRef":
        assert given.field_name is not None
        named = fields.get(given.field_name)
        if named is None:
            yield _problem([*place, "fieldName"], "unknown", f"The form has no field {given.field_name!r}")
        elif named.type in DISPLAY_TYPES:
            yield _problem([*place, "fieldName"], "no_value", f"{given.field_name!r} is shown only, and has no value")


def _expression_problems(text: str, fields: dict[str, FormField], place: _Loc) -> Iterator[FieldError]:
    try:
        names = compile_expression(text).names
    except ExpressionError as error:
        yield _problem(place, "expression", str(error))
        return
    # It would be null for ever, which is hardly what was meant.
    for name in sorted(names - fields.keys()):
        yield _problem(place, "unknown", f"The form has no field {name!r}")


def _place(index: int) -> _Loc:
    return ["body", "formSchema", "fields", index]


def _problem(loc: _Loc, kind: str, message: str) -> FieldError:
    return FieldError(loc=loc, type=kind, msg=message)
