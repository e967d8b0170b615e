"""A function's parameters, validated and coerced by pydantic, and its call plan: both are made once per function."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NotRequired, cast

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from shared.errors import FieldError, InvalidInputError
from shared.parameters.defaults import Filler
from shared.parameters.secrets import may_hold_secrets, secrets_in
from shared.parameters.signatures import read_signature
from shared.parameters.types import value_type
from shared.registry import FunctionMetadata, WorkflowParameter
from shared.serialization import to_json
from shared.suggestions import did_you_mean

# A list of a million wrong items must not become a million errors, nor a name or message of megabytes an answer.
_MAX_ERRORS = 100
_MAX_NAME = 100
# Looking for what was meant takes time, for each unknown name.
_MOST_PROPOSALS = 5
_MAX_MESSAGE = 500
_MAX_SUGGESTIONS = 20
_IMMUTABLE = (str, int, float, bool, type(None))
_PLAN = "call_plan"


class ParameterValidator:
    """The parameters of one function; making it costs milliseconds.

    Args:
        parameters: as declared, or as the signature has them.
        accepts_extra: whether others are passed on as they are; else they are errors.
        reserved: a name that is an error all the same: that of the context.
        extra: what each of the others must be; None when they may be anything.
        fillers: what gives a default, by parameter, where Python must not fill it in itself.
        aliases: other names that callers may use, and the parameter's own.

    Attributes:
        required, optional: the names of the parameters that a call must give, and of those that it may leave out.
    """

    def __init__(
        self,
        parameters: Sequence[WorkflowParameter],
        accepts_extra: bool,
        reserved: str | None = None,
        *,
        extra: WorkflowParameter | None = None,
        fillers: Mapping[str, Filler] = MappingProxyType({}),
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._names = frozenset(parameter.name for parameter in parameters)
        self.required = frozenset(parameter.name for parameter in parameters if is_required(parameter))
        self.optional = self._names - self.required
        self._nullable = frozenset(parameter.name for parameter in parameters if parameter.nullable)
        self._accepts_extra = accepts_extra
        self._reserved = reserved
        self._extra = TypeAdapter[Any](cast("Any", dict)[str, value_type(extra)]) if extra is not None else None
        self._extra_is_nullable = extra is None or extra.nullable
        self._aliases = {alias: name for alias, name in aliases.items() if name in self._names}
        self._fillers = dict(fillers)
        self._defaults: dict[str, Any] = {}
        self._mutable_defaults: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for parameter in parameters:
            kind = value_type(parameter)
            own_default = parameter.has_default and not parameter.default_from_signature
            if own_default:
                self._fillers.pop(parameter.name, None)
                self._set_default(parameter.name, _as_argument(kind, parameter.default_value))
            elif not parameter.required and not parameter.has_default:
                self._set_default(parameter.name, None)
            fields[parameter.name] = kind if parameter.name in self.required else NotRequired[kind]
        model: Any = TypedDict("Parameters", fields)  # type: ignore[misc]
        self._validate = TypeAdapter(model).validator.validate_python

    def takes(self, name: str) -> bool:
        """Whether there is a parameter of this name, or any is passed on."""
        return name in self._names or name in self._aliases or (self._accepts_extra and name != self._reserved)

    def problem_of(self, name: str, value: Any) -> FieldError | None:
        """What is wrong with one parameter's value, whatever the others are; None when it is right, or any is."""
        if name not in self._names:
            return None if self.takes(name) else _unknown(name, did_you_mean(name, self._names))
        if value is None:
            return None if name in self._nullable else FieldError(loc=[name], type="missing", msg="can't be null")
        try:
            self._validate({name: value})
        except ValidationError as error:
            return next((problem for problem in _field_errors(error)[0] if problem["loc"][:1] == [name]), None)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `validate`
            return _validator_failed(error)
        return None

    def admits(self, name: str, value: Any) -> bool:
        """Whether `problem_of` finds nothing."""
        return self.problem_of(name, value) is None

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The input as the function takes it: coerced, and with the defaults that `@param` gives.

        None counts as not given, but for a parameter whose annotation admits it.

        Raises:
            InvalidInputError: names every parameter that is wrong, missing or unknown.
        """
        if not (values or self._names or self._fillers):
            return {}
        problems: list[FieldError] = []
        more = 0
        if self._aliases:
            values, problems = self._by_own_names(values)
        given = {
            name: value
            for name, value in values.items()
            if name in self._names and (value is not None or name in self._nullable)
        }
        extra = {name: value for name, value in values.items() if name not in self._names}
        if not self._accepts_extra or self._reserved in extra:
            unknown = [name for name in extra if not self._accepts_extra or name == self._reserved]
            problems += self._unknown(unknown[:_MAX_ERRORS])
            more = max(0, len(unknown) - _MAX_ERRORS)
        if self._extra is not None and not problems:
            extra, problems, more = self._valid_extra(extra)
        try:
            valid = cast("dict[str, Any]", self._validate(given))
        except ValidationError as error:
            found, others = _field_errors(error)
            raise _refusal(found + problems, more + others) from None
        except (Exception, SystemExit) as error:
            # A validator of the author's own, in a class that the signature names.
            raise _refusal([_validator_failed(error), *problems]) from error
        if problems:
            raise _refusal(problems, more)
        valid.update(extra)
        for name, default in self._defaults.items():
            if name not in valid:
                valid[name] = default
        for name, default in self._mutable_defaults.items():
            if name not in valid:
                valid[name] = copy.deepcopy(default)
        for name, fill in self._fillers.items():
            if name not in valid:
                valid[name] = _filled(name, fill, valid)
        return valid

    def _by_own_names(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
        found: dict[str, Any] = {}
        problems: list[FieldError] = []
        for name, value in values.items():
            own = self._aliases.get(name, name)
            if own in found:
                problems.append(FieldError(loc=[own], type="given_twice", msg=f"{own} is given twice, also as {name}"))
            found[own] = value
        return found, problems

    def _valid_extra(self, extra: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError], int]:
        assert self._extra is not None
        given = {name: value for name, value in extra.items() if value is not None or self._extra_is_nullable}
        try:
            return cast("dict[str, Any]", self._extra.validate_python(given)), [], 0
        except ValidationError as error:
            return {}, *_field_errors(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `validate`
            return {}, [_validator_failed(error)], 0

    def _unknown(self, names: Sequence[str]) -> list[FieldError]:
        known = [*self._names, *self._aliases]
        return [
            _unknown(name, did_you_mean(name, known) if position < _MAX_SUGGESTIONS else "")
            for position, name in enumerate(names)
        ]

    def _set_default(self, name: str, default: Any) -> None:
        defaults = self._defaults if isinstance(default, _IMMUTABLE) else self._mutable_defaults
        defaults[name] = default


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What a call of a function needs to know of it.

    Attributes:
        validator: of its parameters.
        is_async: whether it is a coroutine function.
        context_name: of the parameter that takes the context; None for a function that takes none.
        context_is_first: whether that one is given by position.
        may_hold_secrets: whether a parameter is declared secret, or may have a secret within.
    """

    validator: ParameterValidator
    is_async: bool
    context_name: str | None = None
    context_is_first: bool = True
    may_hold_secrets: bool = False

    @property
    def takes_context(self) -> bool:
        return self.context_name is not None

    def context_arguments(self, context: object) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """How the function is given the context: by position or by name, or not at all."""
        if self.context_name is None:
            return (), {}
        return ((context,), {}) if self.context_is_first else ((), {self.context_name: context})

    def secrets_in(self, valid: Mapping[str, Any]) -> frozenset[str]:
        """The texts of the secrets in validated parameters."""
        return secrets_in(valid) if self.may_hold_secrets else frozenset()


def is_required(parameter: WorkflowParameter) -> bool:
    """Whether a call without it is refused."""
    return parameter.required and (not parameter.has_default or parameter.default_from_signature)


def plan_of(metadata: FunctionMetadata) -> CallPlan:
    """The function's plan, made on the first call and again when a decorator has changed the metadata since."""
    known: tuple[object, object, CallPlan] | None = metadata.derived.get(_PLAN)
    if known is not None and known[0] is metadata.function and known[1] is metadata.parameters:
        return known[2]
    assert metadata.function is not None
    signature = read_signature(metadata.function)
    parameters = metadata.parameters or signature.parameters
    more = () if signature.extra is None else (signature.extra,)
    plan = CallPlan(
        validator=ParameterValidator(
            parameters,
            signature.accepts_extra,
            signature.context_name,
            extra=signature.extra,
            fillers=signature.fillers,
            aliases=signature.aliases,
        ),
        is_async=inspect.iscoroutinefunction(metadata.function),
        context_name=signature.context_name,
        context_is_first=signature.context_is_first,
        may_hold_secrets=any(may_hold_secrets(each.annotation) for each in (*parameters, *more)),
    )
    metadata.derived[_PLAN] = (metadata.function, metadata.parameters, plan)
    return plan


def _as_argument(kind: Any, default: Any) -> Any:
    """The default as the function takes it. One that does not fit the signature's annotation stays as it was written:
    Python would pass it on, too.
    """
    try:
        return TypeAdapter(kind).validate_python(default)
    except Exception:  # noqa: BLE001 - a validator of the author's own may raise anything
        return default


def _refusal(errors: list[FieldError], more: int = 0) -> InvalidInputError:
    """The error that names what is wrong, and says how many `more` there are besides."""
    more += max(0, len(errors) - _MAX_ERRORS)
    if more:
        told = FieldError(loc=[], type="too_many_errors", msg=f"{more} more are not shown")
        errors = [*errors[:_MAX_ERRORS], told]
    names = ", ".join(dict.fromkeys(str(error["loc"][0]) for error in errors if error["loc"]))
    return InvalidInputError(f"The parameters are not valid: {names}" if names else errors[0]["msg"], errors)


def _field_errors(error: ValidationError) -> tuple[list[FieldError], int]:
    """The first errors, and how many more there are: a list of a million wrong items has as many."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [_field_error(list(part["loc"]), part["type"], part["msg"]) for part in found[:_MAX_ERRORS]]
    return shown, len(found) - len(shown)


def _field_error(loc: list[str | int], kind: str, message: str) -> FieldError:
    named = [_shortened(part, _MAX_NAME) if isinstance(part, str) else part for part in loc]
    if kind == "missing" and len(loc) == 1:
        message = f"{named[0]} is required"
    return FieldError(loc=named, type=kind, msg=_shortened(message, _MAX_MESSAGE))


def _unknown(name: str, suggestion: str = "") -> FieldError:
    shown = _shortened(name, _MAX_NAME)
    return FieldError(loc=[shown], type="unknown_parameter", msg=f"There is no parameter {shown!r}{suggestion}")


def _validator_failed(error: BaseException) -> FieldError:
    return FieldError(loc=[], type="validator_failed", msg=f"A validator raised {type(error).__name__}")


def _filled(name: str, fill: Filler, valid: Mapping[str, Any]) -> Any:
    try:
        return fill(valid)
    except (Exception, SystemExit) as error:  # what gives a default is the author's own code, and may raise anything
        problem = f"The default of {name} can't be made: {type(error).__name__}"
        raise _refusal([FieldError(loc=[name], type="default_failed", msg=problem)]) from error


def _shortened(text: str, longest: int) -> str:
    # The serializer also sees to it that the text can be sent: names come from outside, lone surrogates included.
    return to_json(text if len(text) <= longest else f"{text[:longest]}…")
