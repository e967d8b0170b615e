"""Configuration values: showing, setting and removing those of the caller's scope, and the global ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, StrictBool, StrictInt, TypeAdapter, ValidationError

from shared.access.principal import Principal
from shared.configuration.secrets import missing_setting, setting_named_by
from shared.errors import FieldError, InvalidInputError, NotFoundError
from shared.handlers.services import get_services
from shared.models.base import GLOBAL_SCOPE
from shared.models.configuration import OWN_ORGANIZATION, ConfigType, ConfigValue, ConfigWrite
from shared.serialization import to_json
from shared.settings.environment import get_settings

LONGEST_VALUE_CHARACTERS = 32 * 1024


def _text_only(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic takes ValueError for a refusal
    return value


@lru_cache
def _adapter(kind: ConfigType) -> TypeAdapter[Any]:
    """Numbers and flags also as text, but neither as the other."""
    if kind == "int":
        return TypeAdapter(StrictInt | Annotated[int, BeforeValidator(_text_only)])
    return TypeAdapter(StrictBool | Annotated[bool, BeforeValidator(_text_only)])


async def list_config(principal: Principal) -> list[ConfigValue]:
    """The values of the caller's scope, then the global ones, each by key. One that stands in both is in force as the
    scope's.
    """
    return [_with_problem(value) for value in await get_services().configuration_values.read(principal.scope)]


async def set_config(body: ConfigWrite, principal: Principal) -> tuple[ConfigValue, bool]:
    """Sets a value. It holds at once in this process, within seconds in all others.

    Returns:
        The value, and whether there was none of this key.

    Raises:
        NotFoundError: the scope is not the one that the call works in.
        InvalidInputError: the value is not of its type, too large, or a reference that can lead nowhere; or the scope
            is `org`, and the call works in none.
        PayloadTooLargeError: so much can't be stored for one scope.
    """
    scope = _scope_of(body.scope, principal, "body")
    value = ConfigValue(
        key=body.key,
        value=_typed(body.type, body.value),
        type=body.type,
        description=body.description,
        scope=scope,
        updated_by=principal.caller.user_id,
        updated_at=datetime.now(UTC),
    )
    await get_services().audit.record(principal, "config.set", body.key, {"type": body.type}, scope=scope)
    is_new = await get_services().configuration_values.put(value)
    get_services().configuration.invalidate()
    return _with_problem(value), is_new


def _with_problem(value: ConfigValue) -> ConfigValue:
    """The value with what keeps runs from it; that of a secret in the vault shows when it is asked for."""
    if value.type != "secret_ref":
        return value
    try:
        missing = missing_setting(value.value)
    except ValueError as error:  # it was taken by an earlier release
        return value.model_copy(update={"problem": f"The reference {error}"})
    return value if missing is None else value.model_copy(update={"problem": f"The app setting {missing} is not there"})


async def delete_config(key: str, scope: str | None, principal: Principal) -> None:
    """Removes a value of the caller's scope, or a global one.

    Raises:
        NotFoundError: the scope is not the one that the call works in, or has no such value.
        InvalidInputError: the scope is `org`, and the call works in none.
    """
    place, services = _scope_of(scope, principal, "query"), get_services()
    if key not in {value.key for value in await services.configuration_values.read(place) if value.scope == place}:
        raise NotFoundError("There is no configuration value of this key")
    await services.audit.record(principal, "config.delete", key, scope=place)
    await services.configuration_values.delete(place, key)
    services.configuration.invalidate()


def _scope_of(named: str | None, principal: Principal, where: str) -> str:
    if named is None:
        return principal.scope
    if named == OWN_ORGANIZATION and principal.organization is None:
        message = "This call works in no organization; X-Organization-Id says in which"
        raise InvalidInputError(message, [FieldError(loc=[where, "scope"], type="no_organization", msg=message)])
    if named == OWN_ORGANIZATION:
        return principal.scope
    if named not in (GLOBAL_SCOPE, principal.scope):
        raise NotFoundError("There is no organization of this id (X-Organization-Id says where the call works)")
    return named


def _typed(kind: ConfigType, value: Any) -> Any:
    problem: str | None = None
    if kind == "string":
        problem = None if isinstance(value, str) else "must be text"
    elif kind == "secret_ref":
        problem = _reference_problem(value)
    elif kind == "json":
        # As runs will find it: an integer of ten thousand digits, say, is no JSON that can be kept.
        value = to_json(value)
    else:
        try:
            value = _adapter(kind).validate_python(value)
        except ValidationError:
            problem = f"must be {'a whole number' if kind == 'int' else 'true or false'}"
    if problem is None and len(json.dumps(value)) > LONGEST_VALUE_CHARACTERS:
        problem = f"is longer than {LONGEST_VALUE_CHARACTERS} characters"
    if problem is not None:
        error = FieldError(loc=["body", "value"], type=f"{kind}_value", msg=problem)
        raise InvalidInputError(f"The value {problem}", [error])
    return value


def _reference_problem(value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    try:
        name = setting_named_by(value)
    except ValueError as error:
        return str(error)
    if name is None and get_settings().key_vault_url is None:
        return "is in a key vault, and the app's setting KEY_VAULT_URL names none"
    return None
