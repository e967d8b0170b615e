"""Why a function may be missing: what administrators are told of the files that could not be loaded."""

from __future__ import annotations

from shared.access.principal import Principal
from shared.errors import FunctionNotFoundError
from shared.models.health import LoadErrorModel
from shared.registry import LoadError, get_registry

_MOST_IN_MESSAGE = 3
_MOST_IN_DETAILS = 20


def load_error_models(errors: list[LoadError]) -> list[LoadErrorModel]:
    """Load errors as the API shows them."""
    return [LoadErrorModel(file=error.file, line=error.line, reason=error.reason) for error in errors]


def told_to(principal: Principal | None, error: FunctionNotFoundError) -> FunctionNotFoundError:
    """The error as this caller may see it: administrators learn which files could not be loaded, where, and why."""
    errors = get_registry().load_errors
    if principal is None or not principal.is_platform_admin or not errors:
        return error
    shown = "; ".join(
        f"{each.file}{f', line {each.line}' if each.line else ''}: {each.reason}" for each in errors[:_MOST_IN_MESSAGE]
    )
    models = load_error_models(errors[:_MOST_IN_DETAILS])
    details = {"loadErrors": [model.model_dump(mode="json", by_alias=True) for model in models]}
    return FunctionNotFoundError(f"{error.message}: {shown}", details)
