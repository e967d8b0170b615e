"""Records of `logging`, as a run's log keeps them, and as the process's own handlers may have them."""

from __future__ import annotations

import logging

from shared.logs.buffer import LogBuffer
from shared.logs.masking import SecretMask

_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# What LogRecord itself sets; `extra` can only add to that. (3.12 added taskName.)
_USUAL_FIELDS = len(logging.makeLogRecord({}).__dict__)
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"}


def add_record(buffer: LogBuffer, record: logging.LogRecord, *, is_own: bool) -> str | None:
    """Adds the record to a run's log.

    Returns:
        None; the text that stands for a record that can't be formatted.
    """
    instead = None
    try:
        message = record.getMessage()
    except Exception as error:  # noqa: BLE001 - formatting calls the own __str__ of what is logged, which may raise anything
        message = instead = _text_of_unformatted(record, error)
    fields = record.__dict__
    data = {key: fields[key] for key in fields if key not in _STANDARD_FIELDS} if len(fields) > _USUAL_FIELDS else {}
    if record.exc_info:
        data["exception"] = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        data["stack"] = record.stack_info
    level = _LEVELS.get(record.levelname) or _level_name(record.levelno)
    # A library's warning is worth as much as the author's lines.
    counts = is_own or record.levelno >= logging.WARNING
    buffer.add(
        level, message, "logger", logger=record.name, data=data or None, created=record.created, is_noise=not counts
    )
    return instead


def _text_of_unformatted(record: logging.LogRecord, error: Exception) -> str:
    reason = type(error).__name__
    if type(record.msg) is str:
        return f"{record.msg} (its arguments can't be formatted: {reason})"
    return f"<{type(record.msg).__name__}> (it can't be shown: {reason})"


def for_process(mask: SecretMask, record: logging.LogRecord, instead: str | None) -> logging.LogRecord:
    """The record as the process's own handlers may have it; the one that it came as is the run's."""
    message = instead
    if message is None:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - as in `add_record`
            message = _text_of_unformatted(record, error)
    fields = {
        name: mask.text(value) if isinstance(value, str) and name not in _STANDARD_FIELDS else value
        for name, value in record.__dict__.items()
    }
    copy = logging.makeLogRecord({**fields, "msg": mask.text(message), "args": None})
    if record.exc_info and not mask.empty:
        copy.exc_text, copy.exc_info = mask.text(logging.Formatter().formatException(record.exc_info)), None
    return copy


def _level_name(level: int) -> str:
    for bound, name in ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning")):
        if level >= bound:
            return name
    return "info" if level >= logging.INFO else "debug"
