"""What tells one answer of a data provider from all others."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from shared.execution_request import ExecutionRequest
from shared.models.base import GLOBAL_SCOPE
from shared.registry import FunctionMetadata
from shared.serialization import to_json


@dataclass(frozen=True, slots=True)
class Question:
    """What a data provider is asked.

    Attributes:
        key: 64 hex digits; the same for the same question, wherever it is asked.
        scope: the organization's id, or `GLOBAL`.
        provider: the provider's name.
        version: of the provider's code.
        place: where the provider's code stands, for messages to its author.
        ttl_seconds: how long an answer may be given again.
        is_personal: whether an answer is for its caller alone.
    """

    key: str
    scope: str
    provider: str
    version: str
    place: str
    ttl_seconds: float
    is_personal: bool


def question_of(
    metadata: FunctionMetadata, request: ExecutionRequest, parameters: Mapping[str, Any]
) -> Question | None:
    """The question in a request.

    Args:
        metadata: the provider.
        request: who asks, and the input as it was given.
        parameters: the input as it was validated.

    Returns:
        None when no answer may be given again: the provider says never, or parameters can't be told apart.
    """
    if metadata.cache_ttl_seconds <= 0:
        return None
    asked = _canonical(metadata, request.parameters, parameters)
    if asked is None:
        return None
    scope = request.organization.id if request.organization else GLOBAL_SCOPE
    version = _version_of(metadata)
    is_personal = metadata.cache_per == "user"
    # A role that was taken away must not leave an administrator's answers behind.
    user = [request.caller.user_id, request.is_platform_admin, request.is_function_key] if is_personal else None
    parts = [scope, user, metadata.name, version, metadata.cache_ttl_seconds, asked]
    return Question(
        key=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        scope=scope,
        provider=metadata.name,
        version=version,
        place=metadata.place,
        ttl_seconds=metadata.cache_ttl_seconds,
        is_personal=is_personal,
    )


_own_versions: WeakKeyDictionary[FunctionMetadata, str] = WeakKeyDictionary()


def _version_of(metadata: FunctionMetadata) -> str:
    if metadata.code_version is not None:
        return metadata.code_version
    # Nobody knows where the code of this function ends, so its answers are not for other processes.
    return _own_versions.setdefault(metadata, secrets.token_hex(16))


def _canonical(metadata: FunctionMetadata, given: Mapping[str, Any], valid: Mapping[str, Any]) -> str | None:
    """The parameters as a text: 1 and "1" differ, the order of keys does not matter, defaults count as given."""
    values = {
        parameter.name: parameter.default_value
        for parameter in metadata.parameters
        if parameter.default_from_signature and parameter.default_value is not None
    }
    values.update(valid)
    try:
        return json.dumps(values, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return _canonical_input(given)


def _canonical_input(given: Mapping[str, Any]) -> str | None:
    """For parameters of classes that JSON does not know: the JSON that they were made of; None if they weren't."""
    plain = to_json(dict(given))
    # Of no JSON only a likeness is left, and two values may have the same.
    return f"as given: {json.dumps(plain, sort_keys=True)}" if plain == given else None
