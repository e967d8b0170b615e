"""NCRONTAB expressions: five fields, or six of which the first is the second."""

from __future__ import annotations

import re
from typing import NamedTuple


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(\*|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,4}))?")


def check_schedule(schedule: object) -> None:
    """Checks the argument `schedule` of a workflow: an expression, or None.

    Raises:
        ValueError: it is neither; says what is wrong.
    """
    if schedule is None:
        return
    if not isinstance(schedule, str):
        raise ValueError(f"schedule must be a text such as '0 9 * * 1-5', not {schedule!r}")  # noqa: TRY004
    try:
        check_expression(schedule)
    except ValueError as error:
        raise ValueError(f"the schedule {schedule!r} {error}") from None


def check_expression(text: str) -> None:
    """Checks an expression such as `0 9 * * 1-5`.

    Raises:
        ValueError: it is none; says what is wrong.
    """
    parts = text.split()
    if len(parts) not in (5, 6):
        raise ValueError(f"has {len(parts)} fields and needs five, such as '0 9 * * 1-5', or six with seconds first")
    for field, part in zip(_FIELDS[-len(parts) :], parts, strict=True):
        for item in part.split(","):
            _check_item(field, item)


def _check_item(field: _Field, item: str) -> None:
    match = _PART.fullmatch(item)
    if match is None:
        raise ValueError(f"has {item!r} as its {field.name}, which is no number, range or '*'")
    low, high, step = (match[2], match[3], match[4])
    numbers = [_number(field, each) for each in (low, high) if each is not None]
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise ValueError(f"has the {field.name} {item!r}, which ends before it begins")
    if step is not None and int(step) == 0:
        raise ValueError(f"has the {field.name} {item!r}, whose step is 0")


def _number(field: _Field, text: str) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.low
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise ValueError(f"has {text!r} as its {field.name}, which goes from {field.low} to {field.high}")
    return int(text)
