"""Functions of the workspace as callers see them: workflows, data providers and their parameters."""

from __future__ import annotations

from typing import Any, cast

from shared.models.data_providers import DataProviderModel
from shared.models.workflows import ParameterModel, ParameterOption, WorkflowModel
from shared.parameters.types import label_of_choice, offered_choices
from shared.registry import FunctionMetadata, FunctionRegistry, WorkflowParameter
from shared.serialization import to_json


def workflows_of(registry: FunctionRegistry) -> list[WorkflowModel]:
    """All workflows, by name."""
    return [_workflow_model(metadata) for metadata in registry.get_all_workflows()]


def data_providers_of(registry: FunctionRegistry) -> list[DataProviderModel]:
    """All data providers, by name."""
    return [_provider_model(metadata) for metadata in registry.get_all_data_providers()]


def _workflow_model(metadata: FunctionMetadata) -> WorkflowModel:
    return WorkflowModel(
        name=metadata.name,
        description=metadata.description,
        category=metadata.category,
        tags=metadata.tags,
        parameters=[_parameter_model(parameter) for parameter in metadata.parameters],
        execution_mode=metadata.execution_mode,
        timeout_seconds=metadata.timeout_seconds,
        retry_policy=dict(metadata.retry_policy) if metadata.retry_policy else None,
        schedule=metadata.schedule,
        endpoint_enabled=metadata.endpoint_enabled,
        allowed_methods=metadata.allowed_methods,
        disable_global_key=metadata.disable_global_key,
        public_endpoint=metadata.public_endpoint,
        source=metadata.source,
        verify=metadata.verify,
        dedupe_header=metadata.dedupe_header,
    )


def _provider_model(metadata: FunctionMetadata) -> DataProviderModel:
    return DataProviderModel(
        name=metadata.name,
        description=metadata.description,
        category=metadata.category,
        cache_ttl_seconds=metadata.cache_ttl_seconds,
        parameters=[_parameter_model(parameter) for parameter in metadata.parameters],
    )


def _parameter_model(parameter: WorkflowParameter) -> ParameterModel:
    return ParameterModel(
        name=parameter.name,
        type=parameter.type,
        required=parameter.required,
        label=parameter.label or parameter.name,
        data_provider=parameter.data_provider,
        default_value=parameter.default_value,
        help_text=parameter.help_text,
        validation=parameter.validation,
        options=_options_of(parameter),
    )


def _options_of(parameter: WorkflowParameter) -> list[ParameterOption] | None:
    choices = offered_choices(parameter)
    if choices is None:
        return None
    values = cast("list[Any]", to_json(choices))
    return [ParameterOption(label=label_of_choice(value), value=value) for value in values]
