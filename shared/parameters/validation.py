"""A function's parameters, validated and coerced by pydantic, and its call plan: both are made once per function."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, cast

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from shared.errors import FieldError, InvalidInputError
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
_IMMUTABLE = (str, int, float, bool, type(None))
_PLAN = "call_plan"


class ParameterValidator:
    """The parameters of one function; making it costs milliseconds.

    Args:
        parameters: as declared, or as the signature has them.
        accepts_extra: whether others are passed on as they are; else they are errors.
        reserved: a name that is an error all the same: that of the context.

    Attributes:
        required, optional: the names of the parameters that a call must give, and of those that it may leave out.
    """

    def __init__(
        self, parameters: Sequence[WorkflowParameter], accepts_extra: bool, reserved: str | None = None
    ) -> None:
        self._names = frozenset(parameter.name for parameter in parameters)
        self.required = frozenset(parameter.name for parameter in parameters if is_required(parameter))
        self.optional = self._names - self.required
        self._nullable = frozenset(parameter.name for parameter in parameters if parameter.nullable)
        self._accepts_extra = accepts_extra
        self._reserved = reserved
        self._defaults: dict[str, Any] = {}
        self._mutable_defaults: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for parameter in parameters:
            kind = value_type(parameter)
            if parameter.has_default and not parameter.default_from_signature:
                self._set_default(parameter.name, _as_argument(kind, parameter.default_value))
            elif not parameter.required and not parameter.has_default:
                self._set_default(parameter.name, None)
            fields[parameter.name] = kind if parameter.name in self.required else NotRequired[kind]
        model: Any = TypedDict("Parameters", fields)  # type: ignore[misc]
        self._validate = TypeAdapter(model).validator.validate_python

    def takes(self, name: str) -> bool:
        """Whether there is a parameter of this name, or any is passed on."""
        return name in self._names or (self._accepts_extra and name != self._reserved)

    def problem_of(self, name: str, value: Any) -> FieldError | None:
        """What is wrong with one parameter's value, whatever the others are; None when it is right, or any is."""
        if name not in self._names:
            return None if self.takes(name) else _unknown(name, self._names)
        if value is None:
            return None if name in self._nullable else FieldError(loc=[name], type="missing", msg="can't be null")
        try:
            self._validate({name: value})
        except ValidationError as error:
            return next((problem for problem in _field_errors(error) if problem["loc"][:1] == [name]), None)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in `validate`
            return FieldError(loc=[name], type="validator_failed", msg=f"A validator raised {type(error).__name__}")
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
        if not (values or self._names):
            return {}
        given = {
            name: value
            for name, value in values.items()
            if name in self._names and (value is not None or name in self._nullable)
        }
        extra = {name: value for name, value in values.items() if name not in self._names}
        unknown = [name for name in extra if not self._accepts_extra or name == self._reserved]
        problems = [
            _unknown(name, self._names if place < _MOST_PROPOSALS else ()) for place, name in enumerate(unknown)
        ]
        try:
            valid = cast("dict[str, Any]", self._validate(given))
        except ValidationError as error:
            raise _refusal(_field_errors(error) + problems) from None
        except (Exception, SystemExit) as error:
            # A validator of the author's own, in a class that the signature names.
            failed = FieldError(loc=[], type="validator_failed", msg=f"A validator raised {type(error).__name__}")
            raise _refusal([failed, *problems]) from error
        if problems:
            raise _refusal(problems)
        valid.update(extra)
        for name, default in self._defaults.items():
            if name not in valid:
                valid[name] = default
        for name, default in self._mutable_defaults.items():
            if name not in valid:
                valid[name] = copy.deepcopy(default)
        return valid

    def _set_default(self, name: str, default: Any) -> None:
        defaults = self._defaults if isinstance(default, _IMMUTABLE) else self._mutable_defaults
        defaults[name] = default


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What a call of a function needs to know of it."""

    validator: ParameterValidator
    takes_context: bool
    is_async: bool


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
    plan = CallPlan(
        validator=ParameterValidator(
            metadata.parameters or signature.parameters, signature.accepts_extra, signature.context_name
        ),
        takes_context=signature.takes_context,
        is_async=inspect.iscoroutinefunction(metadata.function),
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


def _refusal(errors: list[FieldError]) -> InvalidInputError:
    if len(errors) > _MAX_ERRORS:
        more = FieldError(loc=[], type="too_many_errors", msg=f"{len(errors) - _MAX_ERRORS} more are not shown")
        errors = [*errors[:_MAX_ERRORS], more]
    names = ", ".join(dict.fromkeys(str(error["loc"][0]) for error in errors if error["loc"]))
    return InvalidInputError(f"The parameters are not valid: {names}" if names else errors[0]["msg"], errors)


def _field_errors(error: ValidationError) -> list[FieldError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_field_error(list(part["loc"]), part["type"], part["msg"]) for part in found]


def _field_error(loc: list[str | int], kind: str, message: str) -> FieldError:
    named = [_shortened(part, _MAX_NAME) if isinstance(part, str) else part for part in loc]
    if kind == "missing" and len(loc) == 1:
        message = f"{named[0]} is required"
    return FieldError(loc=named, type=kind, msg=_shortened(message, _MAX_MESSAGE))


def _unknown(name: str, known: Iterable[str]) -> FieldError:
    shown = _shortened(name, _MAX_NAME)
    message = f"There is no parameter {shown!r}{did_you_mean(shown, known)}"
    return FieldError(loc=[shown], type="unknown_parameter", msg=message)


def _shortened(text: str, longest: int) -> str:
    # The serializer also sees to it that the text can be sent: names come from outside, lone surrogates included.
    return to_json(text if len(text) <= longest else f"{text[:longest]}…")
