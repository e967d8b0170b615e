"""Functions of `logging` that set something for a whole process: a run, or a file's top, sets it for itself alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from shared.logs.scope import MISSING, current

RecordFactory = Callable[..., logging.LogRecord]

_shutdown = logging.shutdown
_get_factory = logging.getLogRecordFactory
_set_factory = logging.setLogRecordFactory
_add_level_name = logging.addLevelName
_get_level_name = logging.getLevelName
# Since a run has set one of its own; until then records are made without a way round.
_process_factory: RecordFactory | None = None


def install() -> None:
    """Puts the functions in place; to be called once."""
    module: Any = logging
    module.shutdown = _shut_down
    module.getLogRecordFactory = _factory_here
    module.setLogRecordFactory = _set_factory_here
    module.addLevelName = _add_level_name_here


def _shut_down(handlerList: Any = MISSING) -> None:  # noqa: N803 - as `logging.shutdown` has it
    if current.get() is not None:
        # `logging.config` calls it, for all handlers of the process.
        return
    if handlerList is MISSING:
        _shutdown()
    else:
        _shutdown(handlerList)


def _set_factory_here(factory: RecordFactory) -> None:
    global _process_factory
    scope = current.get()
    if scope is not None and _process_factory is None:
        _process_factory = _get_factory()
        _set_factory(_make_record)
    if scope is not None:
        scope.set(logging, "factory", factory)
    elif _process_factory is not None:
        _process_factory = factory
    else:
        _set_factory(factory)


def _factory_here() -> RecordFactory:
    process = _process_factory or _get_factory()
    scope = current.get()
    return process if scope is None else scope.find(logging, "factory", process)


def _make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    return _factory_here()(*args, **kwargs)


def _add_level_name_here(level: int, levelName: str) -> None:  # noqa: N803 - as `logging.addLevelName` has it
    scope = current.get()
    known = _get_level_name(level)
    if scope is None or known in (levelName, f"Level {level}"):
        _add_level_name(level, levelName)
        return
    # The name alone: it is what `setLevel` takes, and harms nobody. The process goes on to call the level as before.
    _add_level_name(level, levelName)
    _add_level_name(level, known)
    scope.set(logging, ("level name", level), levelName)
    module: Any = logging
    module.getLevelName = _level_name_here


def _level_name_here(level: Any) -> Any:
    scope = current.get()
    name = scope.find(logging, ("level name", level), None) if scope is not None else None
    return name or _get_level_name(level)
