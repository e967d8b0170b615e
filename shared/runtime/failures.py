"""What is kept of a failure for administrators: the chain of exceptions and, of each, the frames of user code.

Built only after user code has raised, so a good run pays nothing for it. No `__repr__` or `__str__` of a local
variable's class is called: what is shown are built-in scalars and containers, and of everything else the class.
"""

from __future__ import annotations

import itertools
import linecache
import re
import types
from pathlib import Path
from typing import Any, cast

from shared.errors import UserError
from shared.logs.masking import MASK, NOTHING_SECRET, SecretMask
from shared.runtime.calls import describe_line, is_user_code

MAX_LOCAL_BYTES = 2 * 1024
MAX_LOCALS_BYTES = 64 * 1024
_SOURCE_LINES = 3
_MAX_FRAMES = 50
_MAX_CHAIN = 10
_MAX_DEPTH = 4
_MAX_ITEMS = 30
_SECRET_NAME = re.compile(
    r"passw|passphrase|token|secret|key|authorization|credential|cookie|signature|\bpwd\b", re.IGNORECASE
)


def message_of(error: BaseException) -> str:
    """The exception's text; of one whose `__str__` raises, a sentence that says so."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an exception's own __str__ may raise anything
        return f"{type(error).__name__} (its message can't be shown: {type(broken).__name__})"


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a `UserError` asks for; None for every other exception."""
    if not isinstance(error, UserError):
        return None
    # A class of the author's own may say anything.
    given: Any = error.status_code
    fits = isinstance(given, int) and type(given) is not bool and 400 <= given <= 499
    return int(given) if fits else UserError.status_code


def describe_failure(
    error: BaseException, mask: SecretMask = NOTHING_SECRET, *, with_locals: bool = True
) -> dict[str, Any]:
    """The failure as JSON.

    Args:
        error: what user code raised.
        mask: takes out what must not be shown.
        with_locals: whether local variables are kept.

    Returns:
        `{"exceptions": [{type, message, relation, frames: [{file, line, function, source, locals}], exceptions}]}`, the
        one that ended the run first. `relation` says how it belongs to the one before: cause, context or None.
    """
    budget = _Budget(mask, MAX_LOCALS_BYTES if with_locals else 0)
    described: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    relation: str | None = None
    while current is not None and id(current) not in seen and len(described) < _MAX_CHAIN:
        seen.add(id(current))
        described.append(_describe(current, relation, budget, seen))
        if current.__cause__ is not None:
            current, relation = current.__cause__, "cause"
        elif not current.__suppress_context__:
            current, relation = current.__context__, "context"
        else:
            current = None
    return {"exceptions": described}


def user_line_of(error: BaseException) -> str | None:
    """The innermost line of user code that an exception passed, as `file:line in function`."""
    frames = _user_frames(error)
    if not frames:
        return None
    frame, line = frames[-1]
    return describe_line(frame.f_code.co_filename, line, frame.f_code.co_name)


def _describe(error: BaseException, relation: str | None, budget: _Budget, seen: set[int]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": type(error).__name__,
        "message": budget.mask.text(message_of(error)),
        "relation": relation,
        "frames": [_describe_frame(frame, line, budget) for frame, line in _user_frames(error)],
    }
    if isinstance(error, BaseExceptionGroup):
        parts: list[dict[str, Any]] = []
        for part in cast("BaseExceptionGroup[BaseException]", error).exceptions[:_MAX_CHAIN]:
            if id(part) not in seen:
                seen.add(id(part))
                parts.append(_describe(part, None, budget, seen))
        described["exceptions"] = parts
    return described


def _user_frames(error: BaseException) -> list[tuple[types.FrameType, int]]:
    frames: list[tuple[types.FrameType, int]] = []
    traceback = error.__traceback__
    while traceback is not None:
        if is_user_code(traceback.tb_frame.f_code.co_filename):
            frames.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    # Of an endless recursion the two ends tell the story.
    return frames if len(frames) <= _MAX_FRAMES else frames[: _MAX_FRAMES // 2] + frames[-_MAX_FRAMES // 2 :]


def _describe_frame(frame: types.FrameType, line: int, budget: _Budget) -> dict[str, Any]:
    code = frame.f_code
    first = max(1, line - _SOURCE_LINES)
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    return {
        "file": Path(code.co_filename).name,
        "line": line,
        "function": code.co_name,
        "source": {
            str(n): budget.mask.text(lines[n - 1].rstrip("\n"))
            for n in range(first, min(len(lines), line + _SOURCE_LINES) + 1)
        },
        "locals": budget.locals_of(frame),
    }


class _Budget:
    """How much may still be kept of local variables, in bytes, and what takes secrets out of them."""

    def __init__(self, mask: SecretMask, left: int) -> None:
        self.mask = mask
        self._left = left

    def locals_of(self, frame: types.FrameType) -> dict[str, str]:
        shown: dict[str, str] = {}
        # A module's or script's frame has all its globals here; they come back as the run's variables.
        if frame.f_code.co_name == "<module>":
            return shown
        for name, value in list(frame.f_locals.items()):
            if self._left <= 0:
                break
            text = MASK if _SECRET_NAME.search(name) else self.mask.text(_shown(value, 0))
            text = text if len(text) <= MAX_LOCAL_BYTES else text[: MAX_LOCAL_BYTES - 1] + "…"
            self._left -= len(name) + len(text)
            shown[name] = text
        return shown


def _shown(value: Any, depth: int) -> str:
    kind = cast("type[Any]", type(value))
    if kind is str or kind is bytes:
        # More than is kept, so that no secret is cut where it can't be told any more.
        return repr(value[: 4 * MAX_LOCAL_BYTES])
    if kind is int:
        return repr(value) if value.bit_length() < 4096 else f"<int of {value.bit_length()} bits>"
    if value is None or kind in (bool, float, complex):
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _shown_container(value, depth)
    return f"<{kind.__module__}.{kind.__qualname__}>"


def _shown_container(value: Any, depth: int) -> str:
    if depth >= _MAX_DEPTH:
        return "…"
    count = len(value)
    kind = cast("type[Any]", type(value))
    try:
        items: list[Any] = list(itertools.islice(value.items() if kind is dict else value, _MAX_ITEMS))
    except RuntimeError:  # another thread changes it meanwhile
        return f"<{kind.__name__} of {count}>"
    if kind is dict:
        parts = [f"{_shown(key, depth + 1)}: {_shown_item(key, item, depth + 1)}" for key, item in items]
    else:
        parts = [_shown(item, depth + 1) for item in items]
    if count > len(items):
        parts.append(f"… {count - len(items)} more")
    opening, closing = {list: "[]", tuple: "()", dict: "{}", set: "{}", frozenset: "{}"}[kind]
    return opening + ", ".join(parts) + closing


def _shown_item(key: Any, item: Any, depth: int) -> str:
    return MASK if type(key) is str and _SECRET_NAME.search(key) else _shown(item, depth)
