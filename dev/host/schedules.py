"""When a timer trigger is due: its NCRONTAB expression, or a fixed interval.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from croniter import CroniterError, croniter

from dev.host.host_json import TIMESPAN

# The occurrence after a moment.
Schedule = Callable[[datetime], datetime]


class ScheduleError(Exception):
    """The text is no schedule; the message says why."""


def schedule_of(text: str) -> Schedule:
    """The schedule of six fields, from seconds to days of the week; of five, without seconds; or of a `00:05:00`.

    Times are UTC. Where both a day of the month and a day of the week are given, both must fit.

    Raises:
        ScheduleError: the text is none of these.
    """
    text = text.strip()
    interval = TIMESPAN.match(text)
    if interval is not None:
        days, hours, minutes, seconds = interval.groups()
        length = timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        if not length:
            raise ScheduleError(f"{text!r} is no time at all")
        return lambda after: after + length
    fields = len(text.split())
    if fields not in (5, 6):
        raise ScheduleError(f"{text!r} has {fields} fields and not six: second minute hour day month day-of-week")
    expression = text if fields == 6 else f"0 {text}"
    try:
        croniter(expression, second_at_beginning=True, day_or=False)
    except CroniterError as error:
        raise ScheduleError(f"{text!r} is no schedule: {error}") from None
    return lambda after: croniter(expression, after, second_at_beginning=True, day_or=False).get_next(datetime)
