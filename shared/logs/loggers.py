"""The hooks of `logging`: what a run writes there reaches its log, and what it sets there holds for it alone.

Levels, handlers, filters, `propagate` and `disabled` of each logger, and `logging.disable`, are seen through the scope
at hand; outside of runs everything goes its old way. (A handler on the root logger would see
neither what a level check drops nor the loggers that don't propagate, and `logging.basicConfig(force=True)` would
remove it.) Inside of runs the process's own handlers and levels still decide what they emit.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

from shared.logs.origin import HANDED_ON, ORIGINS, OWN, origin_of
from shared.logs.records import add_record, for_process
from shared.logs.scope import Scope, current

# Below WARNING the lines that these write by themselves are of no use to an author who did not ask for them.
_INTERNAL_LOGGERS = (
    "shared",
    "functions",
    "azure",
    "azure_functions_worker",
    "azure_functions_runtime",
    "aiohttp",
    "asyncio",
)
_NEVER = sys.maxsize
_getframe = sys._getframe  # pyright: ignore[reportPrivateUsage] - documented, for this purpose
_current = current.get
_origins = ORIGINS

_logger_is_enabled_for = logging.Logger.isEnabledFor
_logger_handle = logging.Logger.handle
_logger_call_handlers = logging.Logger.callHandlers
_logger_get_effective_level = logging.Logger.getEffectiveLevel


def install() -> None:
    """Puts the hooks in place; to be called once."""
    # The stubs know these as plain methods, and a patch as an error.
    logger: Any = logging.Logger
    logger.isEnabledFor = _is_enabled_for
    logger.handle = _handle
    logger.callHandlers = _call_handlers
    logger.getEffectiveLevel = _get_effective_level
    for name, fresh in (("level", logging.NOTSET), ("propagate", True)):
        setattr(logger, name, _Setting(name, fresh))
    logger.disabled = _Disabled("disabled", False)
    for name in ("handlers", "filters"):
        setattr(logger, name, _Members(name, None))
    cast("Any", logging.Manager).disable = _Disable()


class _Setting:
    """An attribute of a logger that a run, or a file at its import, may set for itself."""

    def __init__(self, name: str, fresh: Any) -> None:
        self._name = name
        self._fresh = fresh

    def __get__(self, logger: logging.Logger | None, owner: type) -> Any:
        if logger is None:
            return self
        scope = current.get()
        if scope is None:
            return self._of_process(logger)
        return self._in(scope, logger)

    def __set__(self, logger: logging.Logger, value: Any) -> None:
        scope = current.get()
        fields = logger.__dict__
        # The first value is the one that the logger is made with.
        if scope is None or self._name not in fields:
            fields[self._name] = value
        else:
            self._set_in(scope, logger, value)

    def _of_process(self, logger: logging.Logger) -> Any:
        try:
            return logger.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None

    def _in(self, scope: Scope, logger: logging.Logger) -> Any:
        fresh = logging.WARNING if self._name == "level" and logger is logging.root else self._fresh
        return scope.find(logger, self._name, fresh)

    def _set_in(self, scope: Scope, logger: logging.Logger, value: Any) -> None:
        if not scope.set(logger, self._name, value) and logger is not logging.root:
            logger.__dict__[self._name] = value


class _Disabled(_Setting):
    """`disabled`. What `logging.config` disables are the loggers that were made before, as it does unless it is told
    otherwise: here that is every logger at a file's top, and the author's own lines are not meant.
    """

    def _set_in(self, scope: Scope, logger: logging.Logger, value: Any) -> None:
        caller = _getframe(2)
        is_config = caller.f_globals.get("__name__") == "logging.config"
        if is_config:
            scope.set(logger, "silenced", bool(value))
        if not (is_config and value):
            super()._set_in(scope, logger, bool(value))


class _Members(_Setting):
    """`handlers` and `filters`: lists that are changed in place."""

    def _in(self, scope: Scope, logger: logging.Logger) -> Any:
        found = scope.list_of(logger, self._name)
        if found is None:
            return logger.__dict__[self._name] if logger is not logging.root else []
        return found


class _Disable:
    """`Manager.disable`, which `logging.disable` sets."""

    def __get__(self, manager: logging.Manager | None, owner: type) -> Any:
        if manager is None:
            return self
        scope = current.get()
        if scope is None:
            return manager.__dict__.get("_disable", 0)
        return scope.find(logging, "disable", 0)

    def __set__(self, manager: logging.Manager, value: int | str) -> None:
        scope = current.get()
        level = logging.getLevelNamesMapping()[value] if isinstance(value, str) else value
        if scope is None or "_disable" not in manager.__dict__:
            manager.__dict__["_disable"] = level
        else:
            scope.set(logging, "disable", level)


def _is_enabled_for(self: logging.Logger, level: int) -> bool:
    # Each call of a level that is off passes here: what can be is written out.
    fields = self.__dict__
    scope = _current()
    if scope is not None and scope.buffer is not None:
        try:
            own, library, process = scope.levels[self]
        except KeyError:
            own, library, process = _levels_of(scope, self)
        if level >= library:
            return True
        if level >= own:
            frame: Any = _getframe(1)
            while (origin := _origins.get(frame.f_code.co_filename)) is HANDED_ON:
                frame = frame.f_back
            if (origin or origin_of(frame.f_code.co_filename)) is OWN:
                return True
        if level < process:
            return False
    if fields["disabled"]:
        return False
    try:
        return fields["_cache"][level]
    except KeyError:
        return _is_enabled_in_process(self, level)


def _get_effective_level(self: logging.Logger) -> int:
    scope = current.get()
    if scope is None or scope.buffer is None:
        return _logger_get_effective_level(self)
    # Some libraries ask this in place of `isEnabledFor`.
    own, library, _ = scope.levels.get(self) or _levels_of(scope, self)
    return (own if _is_own_call() else library) or logging.DEBUG


def _is_enabled_in_process(logger: logging.Logger, level: int) -> bool:
    token = current.set(None)
    try:
        return _logger_is_enabled_for(logger, level)
    finally:
        current.reset(token)


def _levels_of(scope: Scope, logger: logging.Logger) -> tuple[int, int, int]:
    """From which level on lines are kept that the author's own code writes, and that libraries do; and from which on
    the process may have a line.
    """
    level, is_of_root = _level_set(scope, logger)
    blocked = scope.find(logging, "disable", 0)
    least = blocked + 1 if blocked else 0
    own = process = max(level or 0, least)
    library = max(logging.INFO if level is None else level, least)
    if level is None or is_of_root:
        library = max(library, _own_level(logger))
    if _is_internal(logger):
        process = 0
        if level is None or is_of_root:
            library = max(logging.WARNING, library)
    elif scope.find(logger, "disabled", False):
        process = _NEVER
    if scope.find(logger, "disabled", False):
        own = library = _NEVER
    if scope.find(logger, "silenced", False):
        library = _NEVER
    scope.levels[logger] = own, library, process
    return own, library, process


def _own_level(logger: logging.Logger) -> int:
    """The level that a library has set for its loggers."""
    above: logging.Logger | None = logger
    while above is not None and above is not logging.root:
        if above.__dict__["level"]:
            return above.__dict__["level"]
        above = above.parent
    return logging.NOTSET


def _is_internal(logger: logging.Logger) -> bool:
    return logger.name.partition(".")[0] in _INTERNAL_LOGGERS


def _level_set(scope: Scope, logger: logging.Logger) -> tuple[int | None, bool]:
    """The level that the author has set for a logger, and whether it is the root's; None when there is none."""
    if scope.altered:
        above: logging.Logger | None = logger
        while above is not None:
            level = scope.find(above, "level", logging.NOTSET)
            if level:
                return level, above is logging.root
            above = above.parent
    return None, False


def _is_own_call() -> bool:
    frame: Any = _getframe(1)
    while (origin := origin_of(frame.f_code.co_filename)) is HANDED_ON and frame.f_back is not None:
        frame = frame.f_back
    return origin is OWN


def _handle(self: logging.Logger, record: logging.LogRecord) -> None:
    scope = _current()
    fields = self.__dict__
    if scope is None and (fields["disabled"] or fields["filters"]):
        _logger_handle(self, record)
        return
    if scope is not None and scope.altered:
        if scope.find(self, "disabled", False):
            return
        if scope.find(self, "filters", ()):
            kept: Any = self.filter(record)
            if not kept:
                return
            record = record if isinstance(kept, bool) else kept
    # Not past whoever has patched it since.
    self.callHandlers(record)


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    scope = _current()
    if scope is None:
        _call_process_handlers(self, record)
        return
    level, buffer = record.levelno, scope.buffer
    process = 0
    is_kept = is_authors = buffer is None
    instead: str | None = None
    if buffer is not None:
        own, library, process = scope.levels.get(self) or _levels_of(scope, self)
        origin = _origins.get(record.pathname) or origin_of(record.pathname)
        is_own = origin is OWN or (origin is HANDED_ON and _is_own_call())
        is_kept = level >= (own if is_own else library)
        if is_kept:
            instead = add_record(buffer, record, is_own=is_own)
        # The platform's and the SDKs' lines may be written where an author's handler must hold nothing up.
        is_authors = is_kept and scope.altered and (is_own or not _is_internal(self))
    if scope.altered and is_authors and not scope.muted:
        _call_authors_handlers(scope, self, record)
    fields = self.__dict__
    if level < process or fields["disabled"]:
        return
    enabled = fields["_cache"].get(level)
    if enabled or (enabled is None and _is_enabled_in_process(self, level)):
        if buffer is not None and (instead is not None or not buffer.mask.empty):
            record = for_process(buffer.mask, record, instead)
        # What the process's handlers print is the process's own output, and would else be captured a second time.
        token = current.set(None)
        try:
            _give_to_process(self, record)
        finally:
            current.reset(token)


def _give_to_process(logger: logging.Logger, record: logging.LogRecord) -> None:
    if logger.__dict__["filters"]:
        kept: Any = logger.filter(record)
        if not kept:
            return
        record = record if isinstance(kept, bool) else kept
    _call_process_handlers(logger, record)


def _call_process_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    has_handlers = False
    # Written out, since the attributes of loggers are slow now; unless somebody has patched the method before us.
    above: logging.Logger | None = logger if _logger_call_handlers.__module__ == "logging" else None
    while above is not None:
        fields = above.__dict__
        for handler in fields["handlers"]:
            has_handlers = True
            if record.levelno >= handler.level:
                handler.handle(record)
        above = above.parent if fields["propagate"] else None
    if not has_handlers:
        _logger_call_handlers(logger, record)


def _call_authors_handlers(scope: Scope, logger: logging.Logger, record: logging.LogRecord) -> None:
    above: logging.Logger | None = logger
    while above is not None:
        for handler in scope.find(above, "handlers", ()):
            if record.levelno >= handler.level:
                token = current.set(scope.muting() if _prints(handler) else scope)
                try:
                    handler.handle(record)
                finally:
                    current.reset(token)
        above = above.parent if scope.find(above, "propagate", True) else None


def _prints(handler: logging.Handler) -> bool:
    """Whether what a handler writes to a standard stream can only be the record, which is in the log already."""
    if isinstance(handler, logging.StreamHandler):
        return True
    code = getattr(type(handler).emit, "__code__", None)
    return code is None or origin_of(code.co_filename) is not OWN
