"""Parameters validated and coerced by pydantic: rules become a validator, once per function; input becomes values."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, Optional, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError, SchemaError
from typing_extensions import TypedDict

from shared.errors import DefinitionError, FieldError, InvalidInputError
from shared.registry import WorkflowParameter

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
# RFC 5321, section 4.5.3.1.3, less the angle brackets of a path.
_LONGEST_EMAIL = 254
_SHOWN_CHOICES = 20

_RULES: dict[str, tuple[str, ...]] = {
    "string": ("min_length", "max_length", "pattern", "enum"),
    "email": ("min_length", "max_length", "pattern", "enum"),
    "int": ("min", "max", "enum"),
    "float": ("min", "max", "enum"),
    "bool": ("enum",),
    "json": ("enum",),
    "list": ("min_length", "max_length", "enum"),
}
_FIELD_ARGUMENTS = {
    "min": "ge",
    "max": "le",
    "min_length": "min_length",
    "max_length": "max_length",
    "pattern": "pattern",
}


class ParameterValidator:
    """The parameters of one function.

    Args:
        parameters: as declared, or as the signature has them.
        accepts_extra: whether others are passed on; else they are errors.
    """

    def __init__(self, parameters: Sequence[WorkflowParameter], accepts_extra: bool) -> None:
        self._null_is_missing = frozenset(parameter.name for parameter in parameters if not parameter.nullable)
        self._defaults: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for parameter in parameters:
            own_default = parameter.has_default and not parameter.default_from_signature
            if own_default:
                self._defaults[parameter.name] = parameter.default_value
            elif not parameter.required and not parameter.has_default:
                self._defaults[parameter.name] = None
            value_type = _value_type(parameter)
            fields[parameter.name] = value_type if parameter.required and not own_default else NotRequired[value_type]
        config = ConfigDict(extra="allow" if accepts_extra else "forbid", arbitrary_types_allowed=True)
        if not all(_is_rust_regex(parameter) for parameter in parameters):
            config["regex_engine"] = "python-re"
        model: Any = TypedDict("Parameters", fields)  # type: ignore[misc]
        model.__pydantic_config__ = config
        self._validate = TypeAdapter(model).validator.validate_python

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The input as the function takes it: coerced, and with the defaults that `@param` gives.

        Raises:
            InvalidInputError: names every parameter that is wrong, missing or unknown.
        """
        if None in values.values():
            values = {name: value for name, value in values.items() if value is not None or self._keeps_null(name)}
        try:
            valid = self._validate(dict(values))
        except ValidationError as error:
            raise _refusal(error) from None
        if self._defaults:
            for name, default in self._defaults.items():
                if name not in valid:
                    valid[name] = copy.deepcopy(default)
        return valid

    def _keeps_null(self, name: str) -> bool:
        return name not in self._null_is_missing


def build_validator(parameters: Sequence[WorkflowParameter], accepts_extra: bool) -> ParameterValidator:
    """The validator of a function's parameters; costs milliseconds, so it is made once per function."""
    return ParameterValidator(parameters, accepts_extra)


def check_parameter(parameter: WorkflowParameter) -> None:
    """Checks what `@param` declares.

    Raises:
        DefinitionError: a rule is unknown, does not fit the type or has a wrong value, or the default does not pass.
    """
    name = parameter.name
    for rule, value in (parameter.validation or {}).items():
        if rule not in _RULES[parameter.type]:
            known = ", ".join(_RULES[parameter.type])
            raise DefinitionError(f"{name}: a parameter of type {parameter.type} has the rules {known}, not {rule!r}")
        problem = _problem_of_rule(rule, value)
        if problem is not None:
            raise DefinitionError(f"{name}: the rule {rule} must be {problem}, not {value!r}")
    if parameter.has_default:
        try:
            TypeAdapter(_value_type(parameter)).validate_python(parameter.default_value)
        except ValidationError as error:
            raise DefinitionError(f"{name}: the default value does not fit: {error.errors()[0]['msg']}") from None


def _problem_of_rule(rule: str, value: Any) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if rule in ("min", "max"):
        return None if is_number else "a number"
    if rule in ("min_length", "max_length"):
        return None if isinstance(value, int) and is_number and value >= 0 else "a whole number of at least 0"
    if rule == "pattern":
        try:
            re.compile(cast("str", value))
        except (re.error, TypeError):
            return "a regular expression"
        return None
    is_list = isinstance(value, (list, tuple, set, frozenset)) and bool(cast("Sequence[Any]", value))
    return None if is_list else "a list of values"


def _value_type(parameter: WorkflowParameter) -> Any:
    """The pydantic type of a parameter's value, with its rules."""
    rules = parameter.validation or {}
    value_type = _base_type(parameter)
    arguments: dict[str, Any] = {_FIELD_ARGUMENTS[rule]: value for rule, value in rules.items() if rule != "enum"}
    if arguments:
        value_type = Annotated[value_type, Field(**arguments)]
    if "enum" in rules:
        value_type = Annotated[value_type, AfterValidator(_one_of(rules["enum"], each=parameter.type == "list"))]
    return Optional[value_type] if parameter.nullable and not parameter.from_signature else value_type  # noqa: UP045


def _base_type(parameter: WorkflowParameter) -> Any:
    declared = _DECLARED[parameter.type]
    annotation = _usable(parameter.annotation)
    if parameter.from_signature:
        if annotation is None:
            return Any
        if annotation in (int, float, str, bool):
            return declared
        decode = _decode_list if parameter.type == "list" else _decode_structure
        return Annotated[annotation, BeforeValidator(decode)] if parameter.type in ("list", "json") else annotation
    if annotation is None or parameter.type not in ("json", "list"):
        return declared
    decode = _decode_list if parameter.type == "list" else _decode_json
    return Annotated[annotation, BeforeValidator(decode)]


def _usable(annotation: Any) -> Any:
    """The annotation, if pydantic can validate to it; else None."""
    if annotation is None or annotation is Any:
        return None
    try:
        TypeAdapter(annotation)
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here; then it is no schema
        return None
    return annotation


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a number, not true or false")
    return value


def _check_email(value: str) -> str:
    if len(value) > _LONGEST_EMAIL or _EMAIL.fullmatch(value) is None:
        raise PydanticCustomError("email", "Input should be an e-mail address")
    return value


def _decode_json(value: Any) -> Any:
    """JSON text as its value; other text stays, but for what can only be meant as JSON."""
    if isinstance(value, str):
        try:
            return json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return _decode_structure(value)
    return value


def _decode_structure(value: Any) -> Any:
    """The text of a JSON object or array as its value; other text stays."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise PydanticCustomError("json_invalid", "Input should be valid JSON") from None
    return value


def _decode_list(value: Any) -> Any:
    """Text as a list: a JSON array, or items with commas between them, as the host joins a repeated query parameter."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [item.strip() for item in value.split(",")] if value.strip() else []
    return _decode_structure(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _one_of:  # noqa: N801 - used as a function
    def __init__(self, choices: Any, *, each: bool) -> None:
        self._choices = list(choices)
        self._each = each

    def __call__(self, value: Any) -> Any:
        for item in value if self._each else (value,):
            if not any(
                item == choice and isinstance(item, bool) == isinstance(choice, bool) for choice in self._choices
            ):
                shown = ", ".join(repr(choice) for choice in self._choices[:_SHOWN_CHOICES])
                more = ", …" if len(self._choices) > _SHOWN_CHOICES else ""
                raise PydanticCustomError("enum", "Input should be one of {choices}", {"choices": shown + more})
        return value


_DECLARED: dict[str, Any] = {
    "string": StrictStr,
    "email": Annotated[StrictStr, AfterValidator(_check_email)],
    "int": Annotated[int, BeforeValidator(_refuse_bool)],
    "float": Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_refuse_bool)],
    "bool": bool,
    "json": Annotated[Any, BeforeValidator(_decode_json)],
    "list": Annotated[list[Any], BeforeValidator(_decode_list)],
}


def _is_rust_regex(parameter: WorkflowParameter) -> bool:
    """Whether pydantic's own engine, which knows no look-around and is safe against long matching, takes the
    pattern.
    """
    pattern = (parameter.validation or {}).get("pattern")
    if pattern is None:
        return True
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True


def _refusal(error: ValidationError) -> InvalidInputError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [_field_error(list(part["loc"]), part["type"], part["msg"]) for part in found]
    names = ", ".join(dict.fromkeys(str(part["loc"][0]) for part in errors))
    return InvalidInputError(f"The parameters are not valid: {names}", errors)


def _field_error(loc: list[str | int], kind: str, message: str) -> FieldError:
    if kind == "missing" and len(loc) == 1:
        message = f"{loc[0]} is required"
    elif kind == "extra_forbidden" and len(loc) == 1:
        kind, message = "unknown_parameter", f"There is no parameter {str(loc[0])[:80]!r}"
    return FieldError(loc=loc, type=kind, msg=message)
