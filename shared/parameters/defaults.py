"""Defaults that a run must have for itself: where Python would give all runs one and the same object."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel

# Gives a default; sees what the caller gave, validated.
Filler = Callable[[Mapping[str, Any]], Any]

_CONTAINERS = (list, dict, set, bytearray, deque)


def copier_of(default: Any) -> Filler | None:
    """What gives each run a copy of a default that a run could change; None for any other."""
    kind = cast("type[Any]", type(default))
    if not issubclass(kind, (BaseModel, *_CONTAINERS)) and not dataclasses.is_dataclass(kind):
        return None
    try:
        copy.deepcopy(default)
    except Exception:  # noqa: BLE001 - a class of the author's, or a lock or client in it, may raise anything
        return None
    return lambda _: copy.deepcopy(default)
