"""What is said of a file that can't be loaded: where, and why, without any path of the machine."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from shared.discovery.files import SourceFile
from shared.errors import MISSING_PACKAGE_HINT, DefinitionError
from shared.registry import LoadError
from shared.runtime.failures import message_of

_LONGEST_REASON = 2000


def load_error_of(file: SourceFile, error: BaseException) -> LoadError:
    """Where in the workspace an import failed, and why."""
    root = file.root.path
    said = error.msg if isinstance(error, SyntaxError) else message_of(error)
    reason = f"{type(error).__name__}: {said}".replace(f"{root}{os.sep}", "")[:_LONGEST_REASON]
    if isinstance(error, ModuleNotFoundError):
        reason = f"{reason}. {MISSING_PACKAGE_HINT}"
    if isinstance(error, SyntaxError) and error.filename:
        place = (Path(error.filename), error.lineno)
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(root))]
        place = (Path(frames[-1].filename), frames[-1].lineno) if frames else (file.path, None)
    where = place[0].relative_to(root).as_posix() if place[0].is_relative_to(root) else file.file
    if where != file.file:
        return LoadError(file.file, None, f"{reason} (in {where}, line {place[1]})")
    return LoadError(file.file, place[1], reason)


def may_pass(error: BaseException) -> bool:
    """Whether an import that failed so may succeed later without an edit, as when the network was away."""
    return not isinstance(error, (SyntaxError, DefinitionError))
