"""A form as somebody has filled it in so far: each field's value, and which fields show, worked out once a request."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.bindings import Bound, resolve_inputs
from shared.forms.choices import WrongValueError
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.values import is_empty, read_value, value_or_default
from shared.models.forms import DISPLAY_TYPES, FormField, FormSchema

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoundDropdown:
    """A dropdown whose options are known by now: name of the field, name of its data provider, inputs of that."""

    name: str
    provider: str
    inputs: Mapping[str, Any]


class FormState:
    """What a form comes to with the values that were sent for it.

    Args:
        schema: the form's fields.
        form_data: the values as they were sent, by field name.

    Attributes:
        values: of all fields that are filled in, by name, as expressions and providers see them: each is what its
            field's type makes of it; what does not fit stays as it was sent. A default stands in for what is missing.
        wrong: by name, why a value does not fit. A provider's options are not known yet.
    """

    def __init__(self, schema: FormSchema, form_data: Mapping[str, Any]) -> None:
        self.schema = schema
        self.form_data = form_data
        self.values: dict[str, Any] = {}
        self.wrong: dict[str, WrongValueError] = {}
        for field in schema.fields:
            value = value_or_default(field, form_data)
            if field.type not in DISPLAY_TYPES and not is_empty(value):
                try:
                    self.values[field.name] = read_value(field, value)
                except WrongValueError as error:
                    self.values[field.name] = value
                    self.wrong[field.name] = error

    @cached_property
    def visible(self) -> list[FormField]:
        """The fields that show, in the form's order.

        Without a `visibilityExpression` a field always shows; with one, where that gives true. One that fails counts as
        true and is logged: better a field too many than a rule that was never checked. Values of hidden fields count in
        the expressions of others.
        """
        return [field for field in self.schema.fields if self._is_visible(field)]

    def strict_dropdowns(self) -> list[BoundDropdown]:
        """The dropdowns that show, are filled in and must have one of their options, but for those whose inputs wait
        for other fields: of these nothing can have been chosen.

        Raises:
            InvalidInputError: inputs can't be worked out; names the field.
        """
        found: list[BoundDropdown] = []
        for field in self.visible:
            if field.data_provider is not None and field.strict_options and field.name in self.values:
                inputs = self.inputs_of(field).inputs
                if inputs is not None:
                    found.append(BoundDropdown(field.name, field.data_provider, inputs))
        return found

    def inputs_of(self, field: FormField, given: Mapping[str, Any] | None = None) -> Bound:
        """The inputs of a field's data provider; see `resolve_inputs`.

        Raises:
            InvalidInputError: an expression does not compile or fails; names the field.
        """
        try:
            return resolve_inputs(field, self.values, given or {})
        except ExpressionError as error:
            message = f"The inputs of {field.name} can't be worked out: {error}"
            errors = [FieldError(loc=["body", "form_data", field.name], type="expression", msg=message)]
            raise InvalidInputError(message, errors) from None

    def _is_visible(self, field: FormField) -> bool:
        if field.visibility_expression is None:
            return True
        try:
            return compile_expression(field.visibility_expression).evaluate(self.values) is True
        except ExpressionError as error:
            _log.warning("The visibilityExpression of the field %s failed, so the field shows: %s", field.name, error)
            return True
