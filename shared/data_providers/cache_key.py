"""What tells one answer of a data provider from all others."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.registry import FunctionMetadata
from shared.serialization import to_json


@dataclass(frozen=True, slots=True)
class CacheKey:
    """The key of an answer, and what the cache has to know of the provider.

    Attributes:
        digest: 64 hex digits; the same for the same provider, scope and input, wherever they are asked for.
        scope: the organization's id, or `GLOBAL`.
        provider: the provider's name.
        version: of the provider's code.
        place: where the provider's code stands, for messages to its author.
        ttl_seconds: how long an answer may be given again.
        is_personal: whether an answer is for its caller alone.
    """

    digest: str
    scope: str
    provider: str
    version: str
    place: str
    ttl_seconds: float
    is_personal: bool


def cache_key(
    metadata: FunctionMetadata,
    *,
    scope: str,
    caller: tuple[str, bool, bool],
    given: Mapping[str, Any],
    valid: Mapping[str, Any],
) -> CacheKey | None:
    """The key of a provider's answer.

    Args:
        metadata: the provider.
        scope: where it is asked.
        caller: who asks: id, whether they are an administrator, whether they came with an access key.
        given: the input as it was given.
        valid: the input as it was validated.

    Returns:
        None when no answer may be given again: the provider says never, or parameters can't be told apart.
    """
    if metadata.cache_ttl_seconds <= 0:
        return None
    asked = _canonical(metadata, given, valid)
    if asked is None:
        return None
    # Of a function from elsewhere nobody knows where its code ends: its answers are not for other processes.
    version = metadata.code_version or metadata.derived.setdefault("process_version", secrets.token_hex(16))
    is_personal = metadata.cache_per == "user"
    # A role that was taken away must not leave an administrator's answers behind.
    user = list(caller) if is_personal else None
    parts = [scope, user, metadata.name, version, metadata.cache_ttl_seconds, asked]
    return CacheKey(
        digest=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        scope=scope,
        provider=metadata.name,
        version=version,
        place=metadata.place,
        ttl_seconds=metadata.cache_ttl_seconds,
        is_personal=is_personal,
    )


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
