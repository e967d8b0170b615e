"""The types of `@param` and its rules, as pydantic types: what a parameter's value must be, and what it is made from.

Values come from JSON bodies and from query strings, so that text is taken for every type: `"5"` for an int, `"a,b"` or
`"[1, 2]"` for a list, JSON text for anything with a structure.
"""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, NotRequired, Optional, Required, cast

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    PydanticSchemaGenerationError,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    StrictStr,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, SchemaError
from typing_extensions import TypedDict

from shared.errors import DefinitionError
from shared.parameters.signatures import type_name, without_none
from shared.registry import WorkflowParameter
from shared.suggestions import did_you_mean

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
# RFC 5321, section 4.5.3.1.3, less the angle brackets of a path.
_LONGEST_EMAIL = 254
_SHOWN_CHOICES = 20
_SCALARS = (str, int, float, bool)

_RULES: dict[str, tuple[str, ...]] = {
    "string": ("min_length", "max_length", "pattern", "enum"),
    "email": ("min_length", "max_length", "pattern", "enum"),
    "int": ("min", "max", "enum"),
    "float": ("min", "max", "enum"),
    "bool": ("enum",),
    "json": ("enum",),
    "list": ("min_length", "max_length", "enum"),
}
# Constraints that pydantic takes for these types, and then finds no value that they could be applied to.
_OF_SIZES = (Ge, Gt, Le, Lt, MultipleOf)
_OF_LENGTHS = (MinLen, MaxLen)
_MISFITS: dict[str, tuple[type, ...]] = {
    "string": _OF_SIZES,
    "list": _OF_SIZES,
    "int": _OF_LENGTHS,
    "float": _OF_LENGTHS,
    "bool": _OF_LENGTHS,
}
_FIELD_ARGUMENTS = {"min": "ge", "max": "le", "min_length": "min_length", "max_length": "max_length"}


class _PlainType(NamedTuple):
    """What pydantic validates to, and the steps around it: before it for text, after it for what it can't say."""

    inner: Any
    steps: tuple[Any, ...] = ()


def check_parameter(parameter: WorkflowParameter) -> None:
    """Checks what `@param` declares.

    Raises:
        DefinitionError: a rule is unknown, does not fit the type or has a wrong value, no value could satisfy the
            rules, or the default does not.
    """
    name = parameter.name
    rules: Any = parameter.validation
    if rules is not None and not isinstance(rules, dict):
        raise DefinitionError(f"{name}: validation must be a dict of rules, not {_shown(rules)}")
    for rule, value in (parameter.validation or {}).items():
        if rule not in _RULES[parameter.type]:
            known = ", ".join(_RULES[parameter.type])
            hint = did_you_mean(str(rule), _RULES[parameter.type])
            rules_text = f"a parameter of type {parameter.type} has the rules {known}, not {rule!r}"
            raise DefinitionError(f"{name}: {rules_text}{hint}")
        problem = _problem_of_rule(parameter.type, rule, value)
        if problem is not None:
            raise DefinitionError(f"{name}: the rule {rule} must be {problem}, not {_shown(value)}")
    for low, high in (("min", "max"), ("min_length", "max_length")):
        if rules and low in rules and high in rules and rules[low] > rules[high]:
            raise DefinitionError(f"{name}: the rule {low} is above {high}, so that no value could pass")
    if parameter.has_default or rules:
        _check_together(parameter)


def _check_together(parameter: WorkflowParameter) -> None:
    try:
        adapter = TypeAdapter[Any](value_type(parameter))
    except (SchemaError, OverflowError) as error:  # a bound that the type can't have, such as 10**400 for a float
        raise DefinitionError(f"{parameter.name}: the rules can't be used: {_shown(parameter.validation)}") from error
    if not parameter.has_default or parameter.default_from_signature:
        return
    try:
        adapter.validate_python(parameter.default_value)
    except ValidationError as error:
        raise DefinitionError(
            f"{parameter.name}: the default value does not fit: {error.errors(include_url=False)[0]['msg']}"
        ) from None


def check_annotation(parameter: WorkflowParameter) -> None:
    """Checks what the signature says of a parameter, when all of its file is there.

    Raises:
        DefinitionError: the annotation has a constraint that its type can't have, or is a class that nothing which a
            caller sends could become.
    """
    annotation, name = parameter.annotation, parameter.name
    bare, _ = without_none(annotation)
    # Each adapter costs a cold start a tenth of a millisecond and more.
    if any(bare is each for each in (None, Any, list, dict, *_SCALARS)):
        return
    constraints = set(map(type, typing.get_args(annotation)[1:])) if typing.get_origin(annotation) is Annotated else ()
    misfit = next((each for each in constraints if each in _MISFITS.get(type_name(annotation), ())), None)
    if misfit is not None:
        words = "ge, gt, le, lt or multiple_of" if misfit in _OF_SIZES else "min_length or max_length"
        raise DefinitionError(f"{name}: a parameter of type {type_name(annotation)} can't have {words}")
    try:
        TypeAdapter(_supported(annotation)).rebuild(raise_errors=True)
    except (PydanticUndefinedAnnotation, NameError):
        return
    except PydanticSchemaGenerationError:
        if parameter.required and parameter.from_signature:
            problem = "nothing that a caller sends becomes one; write a pydantic model, a dataclass or a plain type"
            raise DefinitionError(f"{name}: {_shown(annotation)} can't be asked of a caller: {problem}") from None
    except (PydanticUserError, SchemaError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DefinitionError(f"{name}: the annotation can't be used: {reason}") from None
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here; then it is no schema
        return


def value_type(parameter: WorkflowParameter) -> Any:
    """The pydantic type of a parameter's value, with its rules."""
    rules = parameter.validation or {}
    kind = _plain_type(parameter)
    # The rules stand next to the type itself, so that their messages speak of characters, items or numbers.
    arguments = {_FIELD_ARGUMENTS[rule]: rules[rule] for rule in _FIELD_ARGUMENTS if rule in rules}
    steps: list[Any] = [Field(**arguments)] if arguments else []
    if "pattern" in rules:
        steps.append(_matching(rules["pattern"]))
    steps.extend(kind.steps)
    if "enum" in rules:
        steps.append(AfterValidator(_one_of(rules["enum"], each=parameter.type == "list")))
    found = kind.inner
    for step in steps:
        found = Annotated[found, step]
    return Optional[found] if parameter.nullable else found  # noqa: UP045 - the type is only known at run time


def _problem_of_rule(kind: str, rule: str, value: Any) -> str | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if rule in ("min", "max"):
        if kind == "int":
            return None if is_number and value % 1 == 0 else "a whole number"
        return None if is_number and value % 1 >= 0 else "a finite number"
    if rule in ("min_length", "max_length"):
        return None if isinstance(value, int) and is_number and value >= 0 else "a whole number of at least 0"
    if rule == "pattern":
        return None if isinstance(value, str) and _compiles(value) else "a regular expression"
    is_list = isinstance(value, (list, tuple, set, frozenset)) and bool(cast("Sequence[Any]", value))
    return None if is_list else "a list of values"


def _shown(value: object) -> str:
    return repr(value)[:80]


def _plain_type(parameter: WorkflowParameter) -> _PlainType:
    """The type without the rules: what `@param` declares or, for what has a structure, what the signature says."""
    annotation = _usable(parameter.annotation)
    bare, _ = without_none(annotation)
    kind = parameter.type
    if parameter.from_signature:
        if annotation is None:
            return _PlainType(Any)
        if not any(bare is scalar for scalar in _SCALARS):
            return _annotated(kind, annotation)
    elif annotation is not None:
        if kind in ("json", "list"):
            return _annotated(kind, annotation)
        # What the annotation says of the same type holds besides: its constraints, its values, that it is a secret.
        if type_name(bare) == ("string" if kind == "email" else kind) and not any(bare is each for each in _SCALARS):
            inner, steps = _annotated(kind, annotation)
            return _PlainType(inner, (*steps, *(_DECLARED[kind].steps if kind == "email" else ())))
    return _DECLARED[kind]


def _annotated(kind: str, annotation: Any) -> _PlainType:
    if kind == "list":
        return _PlainType(annotation, (BeforeValidator(_decode_list),))
    if kind in ("string", "email"):
        return _PlainType(annotation)
    decode = WrapValidator(_as_it_is_or_decoded)
    if kind in ("int", "float"):
        return _PlainType(annotation, (BeforeValidator(_refuse_bool(kind)), decode))
    return _PlainType(annotation, (decode,))


def _usable(annotation: Any) -> Any:
    """The annotation, if pydantic can validate to it; else None."""
    if annotation is None or annotation is Any:
        return None
    try:
        supported = _supported(annotation)
        TypeAdapter(supported).rebuild(raise_errors=True)
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here; then it is no schema
        return None
    return supported


def _supported(annotation: Any) -> Any:
    """The annotation with `typing.TypedDict` replaced by its twin: pydantic can't read the one of Python 3.11.
    https://docs.pydantic.dev/latest/errors/usage_errors/#typed-dict-version
    """
    if typing.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation, include_extras=True)
        fields = {name: _supported_field(hint, name in annotation.__required_keys__) for name, hint in hints.items()}
        return TypedDict(annotation.__name__, fields)  # type: ignore[misc]
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_supported, members))]  # noqa: UP007 - the members are only known at run time
    if origin in (list, dict, tuple, set):
        return cast("Any", origin)[tuple(map(_supported, members))]
    return annotation


def _supported_field(hint: Any, required: bool) -> Any:
    if typing.get_origin(hint) in (Required, NotRequired):
        required, hint = typing.get_origin(hint) is Required, typing.get_args(hint)[0]
    return _supported(hint) if required else NotRequired[_supported(hint)]


def _refuse_bool(kind: str) -> Callable[[Any], Any]:
    problem = "int_type" if kind == "int" else "float_type"

    def refuse(value: Any) -> Any:
        if value is True or value is False:
            raise PydanticKnownError(problem)
        return value

    return refuse


def _check_email(value: str) -> str:
    if len(value) > _LONGEST_EMAIL or _EMAIL.fullmatch(value) is None:
        raise PydanticCustomError("email", "Input should be an e-mail address")
    return value


def _loads(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, or is nested too deep to be read.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("too large")
    return value


def _looks_like_structure(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _decode_json(value: Any) -> Any:
    """JSON text as its value; other text stays, but for what can only be meant as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return _loads(value)
    except ValueError:
        if _looks_like_structure(value):
            raise PydanticCustomError("json_invalid", "Input should be valid JSON") from None
        return value


def _decode_list(value: Any) -> Any:
    """Text as a list: a JSON array, or items with commas between them, as the host joins a repeated query parameter."""
    if isinstance(value, str) and not _looks_like_structure(value):
        return [item.strip() for item in value.split(",")] if value.strip() else []
    return _decode_json(value)


def _as_it_is_or_decoded(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Text stays text where the annotation takes it; else it is JSON."""
    if not isinstance(value, str):
        return validate(value)
    try:
        return validate(value)
    except ValidationError:
        decoded = _decode_json(value)
        if isinstance(decoded, str):
            raise
    return validate(decoded)


def _compiles(pattern: str) -> bool:
    return is_linear_pattern(pattern) or _is_python_regex(pattern)


def is_linear_pattern(pattern: str) -> bool:
    """Whether a text is a regular expression without look-around and back references: one whose time grows only with
    the text's length, whoever wrote the text. Pydantic's own engine takes no others.
    """
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True


def _is_python_regex(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _matching(pattern: str) -> Any:
    """The pattern in pydantic's own engine; in Python's when it has look-around or back references."""
    if is_linear_pattern(pattern):
        return Field(pattern=pattern)
    search = re.compile(pattern).search

    def match(value: str) -> str:
        if search(value) is None:
            raise PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
        return value

    return AfterValidator(match)


def _one_of(choices: Any, *, each: bool) -> Callable[[Any], Any]:
    allowed = list(choices)
    shown = ", ".join(map(_shown, allowed[:_SHOWN_CHOICES])) + (", …" if len(allowed) > _SHOWN_CHOICES else "")

    def check(value: Any) -> Any:
        for item in value if each else (value,):
            # True is 1 for Python, and something else for whoever wrote the list.
            if not any(item == choice and isinstance(item, bool) == isinstance(choice, bool) for choice in allowed):
                raise PydanticCustomError("enum", "Input should be one of {choices}", {"choices": shown})
        return value

    return check


_DECLARED: Mapping[str, _PlainType] = {
    "string": _PlainType(StrictStr),
    "email": _PlainType(StrictStr, (AfterValidator(_check_email),)),
    "int": _PlainType(int, (BeforeValidator(_refuse_bool("int")),)),
    "float": _PlainType(FiniteFloat, (BeforeValidator(_refuse_bool("float")),)),
    "bool": _PlainType(bool),
    "json": _PlainType(Any, (BeforeValidator(_decode_json),)),
    "list": _PlainType(list[Any], (BeforeValidator(_decode_list),)),
}
