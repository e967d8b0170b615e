"""Checks of a function that can only be made when its whole file has been imported."""

from __future__ import annotations

import logging

from shared.decorators import resolve_parameters
from shared.errors import DefinitionError
from shared.registry import DEFAULT_TIMEOUT_SECONDS, WORKFLOW, FunctionMetadata
from shared.settings.environment import HTTP_RUN_LIMIT_SECONDS

logger = logging.getLogger(__name__)


def check_definition(metadata: FunctionMetadata, longest_timeout: int | None) -> None:
    """Resolves a function's parameters, and checks it.

    Args:
        metadata: the function's.
        longest_timeout: what timeout_seconds may be; None for no bound.

    Raises:
        DefinitionError: the function can't be as it is.
    """
    resolve_parameters(metadata)
    if longest_timeout is not None and metadata.timeout_seconds > longest_timeout:
        raise DefinitionError(
            f"{metadata.name} has timeout_seconds={metadata.timeout_seconds:g}; at most {longest_timeout} fit, "
            "30 s less than functionTimeout in host.json"
        )
    waited_for = metadata.has_tag(WORKFLOW) and metadata.execution_mode == "sync"
    # Of a function that leaves timeout_seconds alone nothing was asked, so there is nothing to warn of.
    asked_for = metadata.timeout_seconds != DEFAULT_TIMEOUT_SECONDS
    if waited_for and asked_for and metadata.timeout_seconds > HTTP_RUN_LIMIT_SECONDS:
        logger.warning(
            "%s is sync and has timeout_seconds=%g; a caller over HTTP is answered after %g s at the latest",
            metadata.name,
            metadata.timeout_seconds,
            HTTP_RUN_LIMIT_SECONDS,
        )
    if metadata.schedule is not None:
        logger.warning("%s has a schedule, and schedules do not run yet: %s", metadata.name, metadata.place)
