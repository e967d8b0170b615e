"""How a file of user code is called in what is kept of a run: by its path below the workspace, never the machine's."""

from __future__ import annotations

from pathlib import Path

from shared.settings.environment import get_settings


def shown_file(filename: str) -> str:
    """The path below the workspace folder, or of what is no file of it the name alone."""
    settings = get_settings()
    path = Path(filename)
    for root in (settings.workspace_path, settings.home_path):
        if root is not None and path.is_relative_to(root.resolve()):
            return path.relative_to(root.resolve()).as_posix()
    return path.name
