"""What must hold of a form before it is stored: every name in it stands for something, every text of it compiles."""

from __future__ import annotations

from collections.abc import Iterator

from shared.errors import FieldError, InvalidInputError
from shared.forms.cascades import CyclicInputsError, check_cycles
from shared.forms.choices import WrongValueError
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.fitting import as_chosen, misfit
from shared.forms.patterns import HEAVIEST_RULE, weight_of
from shared.forms.rules import pattern_problems, rule_problems
from shared.forms.values import is_empty, read_value
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FormField, FormRequest, ProviderInput
from shared.parameters.json_schema import parameters_of
from shared.parameters.validation import plan_of
from shared.registry import DATA_PROVIDER, WORKFLOW, FunctionMetadata, get_registry

_Loc = list[str | int]
_WITHOUT_DEFAULT = {
    "file": "A file can't be uploaded beforehand",
    "password": "Everybody who sees the form would read it; keep secrets in the configuration",  # nosec B105 - a sentence about passwords
}


def check_definition(body: FormRequest) -> None:
    """Checks a form against the workspace, which must be loaded.

    Raises:
        InvalidInputError: names each place that is wrong.
    """
    fields: _Loc = ["body", "formSchema", "fields"]
    problems = [
        *_workflow_problems(body),
        *_launch_problems(body),
        *_field_problems(body),
        *pattern_problems(body.form_schema, fields),
    ]
    circle = ""
    try:
        check_cycles(body.form_schema)
    except CyclicInputsError as error:
        problems += error.errors
        circle = f". {error.message}"
    if problems:
        names = ", ".join(".".join(str(part) for part in problem["loc"][1:]) for problem in problems[:5])
        raise InvalidInputError(f"The form is not valid: {names}{circle}", problems)


def _workflow_problems(body: FormRequest) -> Iterator[FieldError]:
    linked = get_registry().get_workflow(body.linked_workflow)
    if linked is None:
        message = get_registry().why_missing(body.linked_workflow, WORKFLOW)
        yield _problem(["body", "linkedWorkflow"], "unknown", message)
        return
    validator = plan_of(linked).validator
    fields = {field.name: index for index, field in enumerate(body.form_schema.fields) if _has_value(field)}
    for name, index in fields.items():
        if not validator.takes(name):
            message = f"{linked.name} has no parameter {name!r}, so that its value would go nowhere"
            yield _problem([*_place(index), "name"], "no_parameter", message)
    for name in sorted(validator.required - fields.keys()):
        message = f"{linked.name} needs {name!r}, and no field gives it, so that the form could never be submitted"
        yield _problem(["body", "formSchema", "fields"], "missing", message)
    yield from _misfits(body, linked)


def _launch_problems(body: FormRequest) -> Iterator[FieldError]:
    if body.launch_workflow_id is None:
        if body.default_launch_params:
            message = "There is no launchWorkflowId that could take them"
            yield _problem(["body", "defaultLaunchParams"], "no_workflow", message)
        return
    launched = get_registry().get_workflow(body.launch_workflow_id)
    if launched is None:
        message = get_registry().why_missing(body.launch_workflow_id, WORKFLOW)
        yield _problem(["body", "launchWorkflowId"], "unknown", message)
        return
    validator = plan_of(launched).validator
    for name, value in body.default_launch_params.items():
        place = ["body", "defaultLaunchParams", name]
        problem = validator.problem_of(name, value)
        if not validator.takes(name):
            yield _problem([*place], "no_parameter", f"{launched.name} has no parameter {name!r}")
        elif problem is not None:
            yield _problem([*place], problem["type"], problem["msg"])
    given = {*body.default_launch_params, *body.allowed_query_params}
    given |= {field.name for field in body.form_schema.fields if _has_value(field)}
    for name in sorted(validator.required - given):
        message = f"{launched.name} needs {name!r}: neither defaultLaunchParams nor a field gives it, nor may the query"
        yield _problem(["body", "defaultLaunchParams", name], "missing", message)


def _has_value(field: FormField) -> bool:
    return field.type not in DISPLAY_TYPES


def _misfits(body: FormRequest, linked: FunctionMetadata) -> Iterator[FieldError]:
    parameters = {parameter.name: parameter for parameter in parameters_of(linked)[0]}
    for index, field in enumerate(body.form_schema.fields):
        if field.name not in parameters:
            continue
        message = misfit(field, parameters[field.name])
        if message is not None:
            yield _problem([*_place(index), "type"], "misfit", message)
        elif field.options and field.data_provider is None and not _takes_an_option(field, linked):
            message = f"{linked.name} takes none of these as {field.name!r}"
            yield _problem([*_place(index), "options"], "misfit", message)


def _takes_an_option(field: FormField, linked: FunctionMetadata) -> bool:
    validator = plan_of(linked).validator
    values = [[option.value] if field.multiple else option.value for option in field.options or ()]
    return any(
        validator.admits(field.name, as_chosen({field.name}, {field.name: each}, linked)[field.name]) for each in values
    )


def _field_problems(body: FormRequest) -> Iterator[FieldError]:
    fields = {field.name: field for field in body.form_schema.fields}
    for index, field in enumerate(body.form_schema.fields):
        place = _place(index)
        if field.visibility_expression is not None:
            yield from _expression_problems(field.visibility_expression, fields, [*place, "visibilityExpression"])
        yield from rule_problems(field, place)
        yield from _default_problems(field, body.linked_workflow, [*place, "defaultValue"])
        if field.type == "password" and field.allow_as_query_param:
            message = "A password has no place in an address, which browsers and logs keep"
            yield _problem([*place, "allowAsQueryParam"], "password", message)
        if field.data_provider is not None:
            yield from _provider_problems(field, fields, place)
        elif field.data_provider_inputs:
            yield _problem([*place, "dataProviderInputs"], "no_provider", "There is no dataProvider that takes them")
        elif field.type in CHOICE_TYPES and not field.options:
            yield _problem([*place, "options"], "missing", "A choice needs options, or a dataProvider that gives them")


def _default_problems(field: FormField, workflow: str, place: _Loc) -> Iterator[FieldError]:
    """A default that does not fit refuses every submission that leaves it; a provider's options are not known yet."""
    if not _has_value(field) or is_empty(field.default_value):
        return
    if field.type in _WITHOUT_DEFAULT:
        yield _problem(place, "no_default", _WITHOUT_DEFAULT[field.type])
        return
    pattern = field.validation.pattern if field.validation is not None else None
    if pattern is not None and weight_of(pattern) > HEAVIEST_RULE:
        return
    try:
        value = read_value(field, field.default_value)
    except WrongValueError as error:
        # An unusable pattern is named by itself.
        if error.kind != "pattern_unusable":
            yield _problem(place, error.kind, error.message_of(field))
        return
    linked = get_registry().get_workflow(workflow)
    if linked is None or field.data_provider is not None:
        return
    problem = plan_of(linked).validator.problem_of(field.name, value)
    # A name that the workflow does not know is named by itself.
    if problem is not None and problem["type"] != "unknown_parameter":
        yield _problem(place, problem["type"], f"{workflow} does not take it: {problem['msg']}")


def _provider_problems(field: FormField, fields: dict[str, FormField], place: _Loc) -> Iterator[FieldError]:
    assert field.data_provider is not None
    provider = get_registry().get_data_provider(field.data_provider)
    if provider is None:
        message = get_registry().why_missing(field.data_provider, DATA_PROVIDER)
        yield _problem([*place, "dataProvider"], "unknown", message)
        return
    validator = plan_of(provider).validator
    for name in sorted(validator.required - field.data_provider_inputs.keys()):
        message = f"{provider.name} needs {name!r}, and nothing is bound to it"
        yield _problem([*place, "dataProviderInputs", name], "missing", message)
    parameters = {parameter.name: parameter for parameter in parameters_of(provider)[0]}
    for name, given in field.data_provider_inputs.items():
        there = [*place, "dataProviderInputs", name]
        if not validator.takes(name):
            yield _problem(there, "no_parameter", f"{provider.name} has no parameter {name!r}")
        elif given.mode == "static":
            problem = validator.problem_of(name, given.value)
            if problem is not None:
                message = "A static input needs a value" if given.value is None else problem["msg"]
                yield _problem([*there, "value"], problem["type"], message)
        yield from _input_problems(given, fields, there)
        source = fields.get(given.field_name or "") if given.mode == "fieldRef" else None
        message = misfit(source, parameters[name]) if source is not None and name in parameters else None
        if message is not None:
            yield _problem([*there, "fieldName"], "misfit", message)


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
