"""What a field may say by its type: a rule that would do nothing is refused, since whoever wrote it counts on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.errors import FieldError
from shared.forms.choices import is_offered
from shared.forms.patterns import HEAVIEST_RULE, HEAVIEST_RULES, TOO_HEAVY, is_usable, weight_of
from shared.models.data_providers import Option
from shared.models.forms import CHOICE_TYPES, DISPLAY_TYPES, TEXT_TYPES, FormField, FormSchema, rules_of

# A field of these may have a data provider that suggests values; choices must be of theirs.
_SUGGESTED_TYPES = frozenset({"text", "textarea", "email", "number"})
_SEVERAL_TYPES = frozenset({"select", "radio", "multiselect", "file"})

_Place = Sequence[str | int]


def rule_problems(field: FormField, place: _Place) -> Iterator[FieldError]:
    """The rules of a field that its type does not have, and those that no value could pass.

    Args:
        field: of a form that is to be saved.
        place: where it stands.
    """
    yield from _validation_problems(field, place)
    yield from _choice_problems(field, place)
    if field.type in DISPLAY_TYPES:
        for given, name, what in (
            (field.required, "required", "can't be required"),
            (field.default_value is not None, "defaultValue", "has no value"),
            (field.allow_as_query_param, "allowAsQueryParam", "has no value"),
        ):
            if given:
                yield _problem([*place, name], "no_value", f"A field of type {field.type} is shown only, and {what}")
    elif field.content is not None:
        yield _without_effect([*place, "content"], field, "markdown and html")
    if field.type != "file":
        for given, name in ((field.allowed_types, "allowedTypes"), (field.max_size_mb, "maxSizeMB")):
            if given is not None:
                yield _without_effect([*place, name], field, "file")
    if field.multiple and field.type not in _SEVERAL_TYPES:
        yield _without_effect([*place, "multiple"], field, "select and file")


def pattern_problems(schema: FormSchema, place: _Place) -> Iterator[FieldError]:
    """The patterns that can't be used, or that would take too long to compile or to match."""
    together = 0
    for index, field in enumerate(schema.fields):
        pattern = field.validation.pattern if field.validation is not None else None
        if pattern is None or field.type not in TEXT_TYPES:
            continue
        there = [*place, index, "validation", "pattern"]
        weight = weight_of(pattern)
        together += weight
        # What can't be weighed may be no pattern at all, and that is the better reason.
        if HEAVIEST_RULE < weight < TOO_HEAVY:
            yield _problem(there, "pattern", "is too long, or its counts are too high")
        elif not is_usable(pattern):
            message = "is no regular expression, or one with look-around or back references, which are not taken"
            yield _problem(there, "pattern", message)
        elif weight >= TOO_HEAVY:
            message = "has a class inside of a class or the flag x, of which it can't be told how long they take"
            yield _problem(there, "pattern", message)
        elif together > HEAVIEST_RULES:
            yield _problem(there, "pattern", "is too much together with the patterns of the fields before")


def _validation_problems(field: FormField, place: _Place) -> Iterator[FieldError]:
    rules = field.validation
    if rules is None:
        return
    there = [*place, "validation"]
    for name, types in (("pattern", "text"), *((name, "text, numbers and several choices") for name in ("min", "max"))):
        if getattr(rules, name) is not None and name not in rules_of(field):
            yield _without_effect([*there, name], field, types)
    if rules.message is not None and field.type in DISPLAY_TYPES:
        yield _without_effect([*there, "message"], field, "fields that can be filled in")
    if field.required and field.type in TEXT_TYPES and rules.max is not None and rules.max < 1:
        yield _problem([*there, "max"], "range", "is less than one character, and the field is required")
    if rules.min is not None and rules.max is not None and rules.min > rules.max:
        yield _problem([*there, "min"], "range", "is more than max")


def _choice_problems(field: FormField, place: _Place) -> Iterator[FieldError]:
    is_choice = field.type in CHOICE_TYPES
    if field.options is not None and not is_choice:
        yield _without_effect([*place, "options"], field, "select, multiselect and radio")
    elif field.options and field.data_provider is not None:
        yield _problem([*place, "options"], "no_effect", "The dataProvider gives the options: leave one of both out")
    for index, option in enumerate(field.options or ()):
        if is_choice and not is_offered(Option(label=option.label, value=option.value, metadata=None)):
            message = "An empty value is that of a field left empty, and can't be chosen: a placeholder can say so"
            yield _problem([*place, "options", index, "value"], "empty", message)
    if field.data_provider is None or is_choice:
        return
    if field.type not in _SUGGESTED_TYPES:
        yield _problem([*place, "dataProvider"], "no_choice", f"A field of type {field.type} has no options")
    elif field.strict_options:
        message = (
            f"A field of type {field.type} takes what is not among the options, too: make it a select, or set "
            "strictOptions to false for options that are suggestions"
        )
        yield _problem([*place, "strictOptions"], "no_effect", message)


def _without_effect(place: _Place, field: FormField, types: str) -> FieldError:
    return _problem(place, "no_effect", f"It does nothing on a field of type {field.type}; it is for {types}")


def _problem(place: _Place, kind: str, message: str) -> FieldError:
    return FieldError(loc=[*place], type=kind, msg=message)
