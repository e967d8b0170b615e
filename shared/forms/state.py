"""A form as somebody has filled it in so far: each field's value, and which fields show, worked out once a request."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import PlatformError
from shared.forms.bindings import Bound, resolve_inputs
from shared.forms.cascades import visibility_fields
from shared.forms.choices import WrongValueError
from shared.forms.expressions import ExpressionError, compile_expression
from shared.forms.patterns import MOST_WORK, weight_of
from shared.forms.values import is_empty, read_value, value_or_default
from shared.models.data_providers import Option
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, FormField, FormSchema

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dropdown:
    """What a field's data provider came to, when it was asked.

    Attributes:
        options: what it gives; empty while it waits, or when it failed.
        waiting_for: the empty fields that its inputs depend on.
        error: why there are no options.
        fits: whether the field's value is one of the options, or need not be.
    """

    options: Sequence[Option] = ()
    waiting_for: Sequence[str] = ()
    error: PlatformError | ExpressionError | None = None
    fits: bool = True


def is_strict(field: FormField) -> bool:
    """Whether a value of the field must be one of its provider's options."""
    return field.data_provider is not None and field.strict_options and field.type in CHOICE_TYPES


class FormState:
    """What a form comes to with the values that were sent for it; `evaluate` makes one.

    Args:
        schema: the form's fields.
        form_data: the values as they were sent, by field name.

    Attributes:
        values: of the fields that are filled in and show, by name, as expressions and providers see them: each is what
            its field's type makes of it, a choice what its options have; what does not fit stays as it was sent, and a
            choice that is none counts as empty. A default stands in for what was not sent.
        wrong: by name, why a value does not fit.
        unchecked: the names of the checkboxes that show and are false since nothing was sent for them.
        hidden: the names of the fields that don't show.
        dropdowns: by name, what those came to whose data provider was asked.
    """

    def __init__(self, schema: FormSchema, form_data: Mapping[str, Any]) -> None:
        self.schema = schema
        self.form_data = form_data
        self.values: dict[str, Any] = {}
        self.wrong: dict[str, WrongValueError] = {}
        self.unchecked: set[str] = set()
        self.hidden: set[str] = set()
        self.dropdowns: dict[str, Dropdown] = {}
        self._fields = {field.name: field for field in schema.fields}
        self._read: set[str] = set()
        self._work = 0

    @property
    def visible(self) -> list[FormField]:
        """The fields that show, in the form's order."""
        return [field for field in self.schema.fields if field.name not in self.hidden]

    def settle(self, field: FormField) -> None:
        """Works out whether a field shows, and what its value is; to be called in the order of `order`.

        Fields that it depends on and that are not settled, since they depend on it, too, count as they were sent.
        """
        if self._shows(field):
            self._read_once(field)
        else:
            self.hidden.add(field.name)
            self.values.pop(field.name, None)
            self.wrong.pop(field.name, None)
            self.unchecked.discard(field.name)

    def choose(self, field: FormField, dropdown: Dropdown, value: Any) -> None:
        """Takes what a dropdown came to, and the value that its field has by that; None for none."""
        self.dropdowns[field.name] = dropdown
        self.values.pop(field.name, None)
        if value is not None:
            self.values[field.name] = value

    def inputs_of(self, field: FormField, given: Mapping[str, Any], optional: Collection[str]) -> Bound:
        """The inputs of a field's data provider; arguments and errors as in `resolve_inputs`."""
        return resolve_inputs(field, self.values, given, optional)

    def _shows(self, field: FormField) -> bool:
        """Whether a field shows: always without a `visibilityExpression`, and with one where that is true.

        One that fails, as many do on empty fields, is not true. One that no longer compiles shows its field.
        """
        if field.visibility_expression is None:
            return True
        try:
            expression = compile_expression(field.visibility_expression)
        except ExpressionError as error:
            _log.warning("The visibilityExpression of the field %s does not compile: %s", field.name, error)
            return True
        for name in visibility_fields(field):
            if name in self._fields and name not in self.hidden:
                self._read_once(self._fields[name])
        try:
            return expression.evaluate(self.values) is True
        except ExpressionError as error:
            _log.debug("The visibilityExpression of the field %s failed, so the field hides: %s", field.name, error)
            return False

    def _read_once(self, field: FormField) -> None:
        if field.name in self._read or field.type in DISPLAY_TYPES:
            return
        self._read.add(field.name)
        value = value_or_default(field, self.form_data)
        if is_empty(value):
            return
        self.values[field.name] = value
        if value is False and is_empty(self.form_data.get(field.name)):
            self.unchecked.add(field.name)
        try:
            self._check_work(field, value)
            self.values[field.name] = read_value(field, value)
        except WrongValueError as error:
            self.wrong[field.name] = error

    def _check_work(self, field: FormField, value: Any) -> None:
        pattern = field.validation.pattern if field.validation is not None else None
        if pattern is None or not isinstance(value, str):
            return
        self._work += weight_of(pattern) * len(value)
        if self._work > MOST_WORK:
            raise WrongValueError("too_long", "The text is too long to be held against the pattern of its field")
