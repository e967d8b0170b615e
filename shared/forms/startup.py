"""What a form's launch workflow gets when the form is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import FieldError, InvalidInputError
from shared.forms.checks import Admits, Place, problems_of_value, refused_by_workflow, values_to_pass_on
from shared.forms.state import FormState
from shared.models.forms import Form


class Start:
    """One opening of a form.

    Args:
        form: has a launch workflow.
        form_data: values of the form, as they were sent.
        query: the parameters of the page's address. Those that belong to a field of the form are its value, over that
            in `form_data`.

    Attributes:
        values: the values of the form's fields that were sent, one way or the other; to be evaluated.
    """

    def __init__(self, form: Form, form_data: Mapping[str, Any], query: Mapping[str, Any]) -> None:
        self._form = form
        self._fields = {field.name for field in form.form_schema.fields}
        allowed = {field.name for field in form.form_schema.fields if field.allow_as_query_param}
        allowed |= set(form.allowed_query_params)
        self._query = {name: value for name, value in query.items() if name in allowed}
        self._sent = {**form_data, **self._query}
        self.values = {name: value for name, value in self._sent.items() if name in self._fields}

    def parameters(self, state: FormState, takes: Callable[[str], bool], admits: Admits) -> dict[str, Any]:
        """The parameters of the launch workflow, of those that it takes.

        They are the defaults of fields, over them the form's `defaultLaunchParams`, over both what was sent. A choice
        whose provider fails is taken as it is, since the form is only opened; a default that does not fit is left out.

        Args:
            state: what the form comes to with `values`.
            takes: whether the workflow has a parameter of this name.
            admits: as the workflow has it.

        Raises:
            InvalidInputError: values that were sent and that the workflow would take are wrong; each is named.
        """
        own = {name: value for name, value in values_to_pass_on(state, admits).items() if takes(name)}
        errors: list[FieldError] = []
        for field in state.visible:
            dropdown = state.dropdowns.get(field.name)
            if not takes(field.name) or (dropdown is not None and dropdown.error is not None):
                continue
            problems = problems_of_value(state, field)
            if problems:
                own.pop(field.name, None)
            if field.name in self.values:
                place = self._places()[field.name]
                errors += [
                    FieldError(loc=[*place, field.name], type=each["type"], msg=each["msg"]) for each in problems
                ]
        if errors:
            names = ", ".join(str(error["loc"][-1]) for error in errors)
            raise InvalidInputError(f"The values are not valid: {names}", errors)
        others = {name: value for name, value in self._sent.items() if name not in self._fields and takes(name)}
        sent = {name: value for name, value in own.items() if name in self.values}
        defaults = {name: value for name, value in self._form.default_launch_params.items() if takes(name)}
        return {**own, **defaults, **others, **sent}

    def refused(self, error: InvalidInputError) -> InvalidInputError:
        """The workflow's refusal of its parameters, in terms of what was sent."""
        return refused_by_workflow(error, self._places())

    def _places(self) -> dict[str, Place]:
        by_the_form = self._form.default_launch_params.keys() - self.values.keys()
        places: dict[str, Place] = dict.fromkeys(self._fields - by_the_form, ("body", "form_data"))
        return places | dict.fromkeys(self._query, ("query",))
