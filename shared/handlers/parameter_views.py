"""Parameters of functions as callers see them."""

from __future__ import annotations

from shared.models.workflows import ParameterModel
from shared.registry import WorkflowParameter


def parameter_model(parameter: WorkflowParameter) -> ParameterModel:
    """A parameter as the API shows it."""
    return ParameterModel(
        name=parameter.name,
        type=parameter.type,
        required=parameter.required,
        label=parameter.label or parameter.name,
        data_provider=parameter.data_provider,
        default_value=parameter.default_value,
        help_text=parameter.help_text,
        validation=parameter.validation,
    )
