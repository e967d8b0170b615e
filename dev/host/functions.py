"""The functions of an app as the worker describes them, and which of them this host can run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HTTP_TRIGGER = "httpTrigger"
QUEUE_TRIGGER = "queueTrigger"
TIMER_TRIGGER = "timerTrigger"
_TRIGGERS = (HTTP_TRIGGER, QUEUE_TRIGGER, TIMER_TRIGGER)
_OUTPUTS = ("http",)

_SETTING = re.compile(r"%([^%]+)%")


class FunctionError(Exception):
    """A function can't be run here; the message names it and says why. The other functions run."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        name: unique in the app.
        trigger: the trigger's binding as in function.json.
    """

    name: str
    trigger: Mapping[str, Any]

    @property
    def trigger_type(self) -> str:
        return self.trigger["type"]


def describe(name: str, bindings: Sequence[Mapping[str, Any]]) -> Function:
    """A function from its bindings.

    Raises:
        FunctionError: it has a binding that this host does not know.
    """
    triggers = [binding for binding in bindings if binding["type"].lower().endswith("trigger")]
    unknown = [binding for binding in bindings if binding not in triggers and binding["type"] not in _OUTPUTS]
    unknown += [trigger for trigger in triggers if trigger["type"] not in _TRIGGERS]
    if unknown:
        found = ", ".join(f"{binding['type']} ({binding['name']})" for binding in unknown)
        raise FunctionError(f"Function {name} does not run: the local host does not support the binding {found}")
    return Function(name, triggers[0])


def resolve(text: str, environ: Mapping[str, str], function: str) -> str:
    """A binding's text with each `%SETTING%` replaced.

    Raises:
        FunctionError: there is no such setting.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise FunctionError(f"Function {function} does not run: there is no setting {match[1]}")
        return environ[match[1]]

    return _SETTING.sub(replacement, text)
