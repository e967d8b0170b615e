"""Whose code a file is: that of a workflow's author, or of the platform, Python or a library."""

from __future__ import annotations

import logging
import threading
from enum import Enum
from pathlib import Path

_APP = Path(__file__).resolve().parent.parent.parent
_PLATFORM = tuple(f"{(_APP / folder).as_posix()}/" for folder in ("shared", "functions", "dev"))
_STANDARD_LIBRARY = f"{Path(threading.__file__).resolve().parent.as_posix()}/"
_LOGGING = (f"{Path(logging.__file__).resolve().parent.as_posix()}/", f"{Path(__file__).resolve().parent.as_posix()}/")
# Where Azure keeps its worker, and where systems and virtual environments keep packages.
_INSTALLED = ("/site-packages/", "/dist-packages/", "/azure-functions-host/")
# They hand on what others say, so that the line is of whoever called them.
_HANDING_ON = tuple(f"/site-packages/{name}/" for name in ("structlog", "loguru", "absl"))


class Origin(Enum):
    """Whose code is at work; `HANDED_ON` for logging itself and for libraries that stand before it."""

    OWN = 1
    LIBRARY = 2
    HANDED_ON = 3


OWN, LIBRARY, HANDED_ON = Origin

ORIGINS: dict[str, Origin] = {}
"""By file, those that were asked for."""


def is_user_code(filename: str) -> bool:
    """Whether a file is neither the platform's, nor the standard library's, nor a dependency's."""
    return origin_of(filename) is OWN


def origin_of(filename: str) -> Origin:
    """Whose the code in a file is."""
    found = ORIGINS.get(filename)
    if found is None:
        if filename.startswith("<"):
            # A script's name: there is no end of them.
            return LIBRARY if filename.startswith("<frozen ") else OWN
        found = ORIGINS[filename] = _origin_of(filename.replace("\\", "/"))
    return found


def _origin_of(path: str) -> Origin:
    if path.startswith(_LOGGING) or any(part in path for part in _HANDING_ON):
        return HANDED_ON
    if path.startswith((*_PLATFORM, _STANDARD_LIBRARY)) or any(part in path for part in _INSTALLED):
        return LIBRARY
    return OWN
