"""The types of `@param` and its rules, as pydantic types: what a parameter's value must be, and what it is made from.

Values come from JSON bodies and from query strings, so that text is taken for every type: `"5"` for an int, `"a,b"` or
`"[1, 2]"` for a list, JSON text for anything with a structure.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, NamedTuple, NotRequired, Optional, Required, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    StrictStr,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, SchemaError
from typing_extensions import TypedDict

from shared.errors import DefinitionError
from shared.parameters.annotations import (
    bare,
    choices_in,
    choices_of_items,
    is_secret,
    is_union,
    takes_list,
    type_name,
    without_none,
)
from shared.parameters.emails import check_email
from shared.parameters.text_values import (
    decode_json,
    decode_list,
    read_list,
    read_union,
    read_union_with_list,
    read_value,
)
from shared.registry import WorkflowParameter
from shared.suggestions import did_you_mean

_SHOWN_CHOICES = 20
_MOMENTS: Mapping[str, type] = {"date": date, "datetime": datetime}
_SCALARS = (str, int, float, bool, date, datetime)

_RULES: dict[str, tuple[str, ...]] = {
    "string": ("min_length", "max_length", "pattern", "enum"),
    "email": ("min_length", "max_length", "pattern", "enum"),
    "int": ("min", "max", "enum"),
    "float": ("min", "max", "enum"),
    "bool": ("enum",),
    "date": ("enum",),
    "datetime": ("enum",),
    "json": ("enum",),
    "list": ("min_length", "max_length", "enum"),
}
_BASES = {"email": "string"}
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
    if "enum" in (parameter.validation or {}):
        _check_choices(parameter)
    if not parameter.has_default or parameter.default_from_signature:
        return
    try:
        adapter.validate_python(parameter.default_value)
    except ValidationError as error:
        raise DefinitionError(
            f"{parameter.name}: the default value does not fit: {error.errors(include_url=False)[0]['msg']}"
        ) from None


def _check_choices(parameter: WorkflowParameter) -> None:
    """Checks that each value of the rule `enum` is one that the parameter may have."""
    choices = _choices_of_rule(parameter, (parameter.validation or {})["enum"])
    is_list = parameter.type == "list"
    adapter = TypeAdapter[Any](value_type(replace(parameter, validation={"enum": choices})))
    for choice in choices:
        try:
            found = adapter.validate_python([choice] if is_list else choice)
            fits = _is_among(next(iter(found)) if is_list else found, [choice])
        except ValidationError:
            fits = False
        if not fits:
            what = "of items that the list takes" if is_list else f"of type {parameter.type}"
            raise DefinitionError(
                f"{parameter.name}: the rule enum must be a list of values {what}; {_shown(choice)} is none"
            )


def value_type(parameter: WorkflowParameter) -> Any:
    """The pydantic type of a parameter's value, with its rules."""
    rules = _rules_of(parameter)
    kind = _plain_type(parameter)
    # The rules stand next to the type itself, so that their messages speak of characters, items or numbers.
    arguments = {_FIELD_ARGUMENTS[rule]: rules[rule] for rule in _FIELD_ARGUMENTS if rule in rules}
    steps: list[Any] = [Field(**arguments)] if arguments else []
    if rules.get("pattern"):
        steps.append(_matching(rules["pattern"]))
    steps.extend(kind.steps)
    if "enum" in rules:
        choices, is_list = _choices_of_rule(parameter, rules["enum"]), parameter.type == "list"
        steps.append(AfterValidator(_one_of(choices, each=is_list)))
        if is_list or kind is _DECLARED["json"]:
            steps.append(WrapValidator(_chosen(choices, each=is_list)))
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
    plain, _ = without_none(annotation)
    kind = parameter.type
    if parameter.from_signature:
        if annotation is None:
            return _PlainType(Any)
        if not any(plain is scalar for scalar in _SCALARS):
            return _annotated(kind, annotation)
    elif annotation is not None:
        if kind in ("json", "list") or is_secret(annotation):
            return _annotated(kind, annotation)
        # What the annotation says of the same type holds besides; its choices are checked as those of a rule are.
        is_more = not any(plain is scalar for scalar in _SCALARS) and choices_in(annotation) is None
        if is_more and type_name(annotation) == _BASES.get(kind, kind):
            inner, steps = _annotated(kind, annotation)
            return _PlainType(inner, (*steps, *(_DECLARED[kind].steps if kind == "email" else ())))
        if kind in _AS_TEXT and bare(annotation) is str:
            return _PlainType(StrictStr, (AfterValidator(_AS_TEXT[kind]),))
    return _DECLARED[kind]


def _annotated(kind: str, annotation: Any) -> _PlainType:
    if kind == "list":
        return _PlainType(annotation, (WrapValidator(read_list),))
    read = WrapValidator(
        read_union_with_list if takes_list(annotation) else read_union if is_union(annotation) else read_value
    )
    if kind in ("int", "float"):
        return _PlainType(annotation, (BeforeValidator(_refuse_bool(kind)), read))
    return _PlainType(annotation, (read,))


def _usable(annotation: Any) -> Any:
    """The annotation, if pydantic can validate to it; else None."""
    if annotation is None or annotation is Any:
        return None
    try:
        found = supported(annotation)
        TypeAdapter(found).rebuild(raise_errors=True)
    except Exception:  # noqa: BLE001 - a class of the author's may raise anything here; then it is no schema
        return None
    return found


def supported(annotation: Any) -> Any:
    """The annotation with `typing.TypedDict` replaced by its twin: pydantic can't read the one of Python 3.11.
    https://docs.pydantic.dev/latest/errors/usage_errors/#typed-dict-version
    """
    if typing.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation, include_extras=True)
        fields = {name: _supported_field(hint, name in annotation.__required_keys__) for name, hint in hints.items()}
        return TypedDict(annotation.__name__, fields)  # type: ignore[misc]
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(supported, members))]  # noqa: UP007 - the members are only known at run time
    if origin in (list, dict, tuple, set):
        return cast("Any", origin)[tuple(map(supported, members))]
    return annotation


def _supported_field(hint: Any, required: bool) -> Any:
    if typing.get_origin(hint) in (Required, NotRequired):
        required, hint = typing.get_origin(hint) is Required, typing.get_args(hint)[0]
    return supported(hint) if required else NotRequired[supported(hint)]


def _refuse_bool(kind: str) -> Callable[[Any], Any]:
    problem = "int_type" if kind == "int" else "float_type"

    def refuse(value: Any) -> Any:
        if value is True or value is False:
            raise PydanticKnownError(problem)
        return value

    return refuse


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
    """The whole value matches the pattern, in pydantic's own engine; in Python's when it has look-around or back
    references.
    """
    if is_linear_pattern(pattern):
        whole = f"^(?:{pattern})$"
        # Where a pattern ends in a comment, its end is that of the line.
        return Field(pattern=whole if is_linear_pattern(whole) else f"^(?:{pattern}\n)$")
    match = re.compile(pattern).fullmatch

    def check(value: str) -> str:
        if match(value) is None:
            raise PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
        return value

    return AfterValidator(check)


def offered_choices(parameter: WorkflowParameter) -> list[Any] | None:
    """The values that the parameter, or each item of its list, may have, as JSON has them: those of its rule `enum`, or
    else of its annotation; None where there is no such list.
    """
    if "enum" in (parameter.validation or {}):
        return list((parameter.validation or {})["enum"])
    if parameter.type == "list":
        return choices_of_items(parameter.annotation)
    found = choices_in(parameter.annotation)
    return None if found is None else [choice for choice in found if choice is not None]


def label_of_choice(choice: Any) -> str:
    """What people see of a choice."""
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def _rules_of(parameter: WorkflowParameter) -> dict[str, Any]:
    """The declared rules. One whose annotation is a Literal or an Enum has that one's choices as its `enum`."""
    rules = parameter.validation or {}
    if parameter.from_signature or "enum" in rules or parameter.type in ("json", "list"):
        return rules
    choices = offered_choices(parameter)
    if choices is None or type_name(parameter.annotation) != parameter.type:
        return rules
    return {**rules, "enum": choices}


def _choices_of_rule(parameter: WorkflowParameter, rule: Iterable[Any]) -> list[Any]:
    """The values of the rule `enum`, as those of the type are once they were read: a date's text as the date."""
    choices = list(rule)
    if parameter.type not in _MOMENTS or _plain_type(parameter).inner is not _MOMENTS[parameter.type]:
        return choices
    return [_moment(parameter.type, choice) for choice in choices]


def _moment(kind: str, choice: Any) -> Any:
    try:
        return TypeAdapter(_MOMENTS[kind]).validate_python(choice) if isinstance(choice, str) else choice
    except ValidationError:
        return choice


def _is_among(value: Any, choices: Sequence[Any]) -> bool:
    value = value.value if isinstance(value, Enum) else value
    # True is 1 for Python, and something else for whoever wrote the list.
    return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)


def _one_of(choices: Sequence[Any], *, each: bool) -> Callable[[Any], Any]:
    shown = ", ".join(map(_shown, choices[:_SHOWN_CHOICES])) + (", …" if len(choices) > _SHOWN_CHOICES else "")

    def check(value: Any) -> Any:
        if not all(_is_among(item, choices) for item in (value if each else (value,))):
            raise PydanticCustomError("enum", "Input should be one of {choices}", {"choices": shown})
        return value

    return check


def _chosen(choices: Sequence[Any], *, each: bool) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Takes text that is a choice as that choice, and neither as JSON nor as several."""

    def read(value: Any, validate: Callable[[Any], Any]) -> Any:
        if isinstance(value, str) and _is_among(value, choices):
            return validate([value] if each else json.dumps(value))
        return validate(value)

    return read


def _as_text(kind: str) -> Callable[[str], str]:
    adapter = TypeAdapter(_MOMENTS[kind])

    def check(value: str) -> str:
        adapter.validate_python(value)
        return value

    return check


# For a function that is annotated with `str`: the text, once it was found to be one.
_AS_TEXT: Mapping[str, Callable[[str], str]] = {kind: _as_text(kind) for kind in _MOMENTS}
_DECLARED: Mapping[str, _PlainType] = {
    "string": _PlainType(StrictStr),
    "email": _PlainType(StrictStr, (AfterValidator(check_email),)),
    "int": _PlainType(int, (BeforeValidator(_refuse_bool("int")),)),
    "float": _PlainType(FiniteFloat, (BeforeValidator(_refuse_bool("float")),)),
    "bool": _PlainType(bool),
    "date": _PlainType(date),
    "datetime": _PlainType(datetime),
    "json": _PlainType(Any, (BeforeValidator(decode_json),)),
    "list": _PlainType(list[Any], (BeforeValidator(decode_list),)),
}
