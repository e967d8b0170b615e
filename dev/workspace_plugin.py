"""A plugin of pytest: tests import the modules of the workspace as workflows do, from its root."""

from __future__ import annotations

import sys

from shared.settings.environment import get_settings


def pytest_configure() -> None:
    """Puts the workspace folders at the end of the path, where nothing in them can stand in for another module."""
    settings = get_settings()
    sys.path += [str(folder) for folder in (settings.workspace_path, settings.home_path) if folder is not None]
