"""What no longer holds of a stored form: expressions that compiled when it was saved, and don't any more.

Their fields show and are not required, so that the form can be used until somebody mends it.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.forms.expressions import ExpressionError, compile_expression
from shared.models.forms import FormField, FormProblem, FormSchema


def expressions_of(field: FormField) -> Iterator[tuple[list[str | int], str]]:
    """The field's expressions, each behind its place in the field."""
    if field.visibility_expression is not None:
        yield ["visibilityExpression"], field.visibility_expression
    for name, given in field.data_provider_inputs.items():
        if given.mode == "expression" and given.expression is not None:
            yield ["dataProviderInputs", name, "expression"], given.expression


def problems_of(schema: FormSchema) -> list[FormProblem]:
    """The expressions of a form that don't compile, in its order."""
    return [
        FormProblem(loc=["formSchema", "fields", index, *place], type="expression", msg=problem)
        for index, field in enumerate(schema.fields)
        for place, text in expressions_of(field)
        if (problem := _problem_of(text)) is not None
    ]


def has_problems(field: FormField) -> bool:
    """Whether an expression of the field does not compile."""
    return any(_problem_of(text) is not None for _, text in expressions_of(field))


def _problem_of(text: str) -> str | None:
    try:
        compile_expression(text)
    except ExpressionError as error:
        return str(error)
    return None
