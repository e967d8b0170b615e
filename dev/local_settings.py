"""local.settings.json: the settings of local runs, over which the environment wins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from dev.setup import PROJECT

SETTINGS = PROJECT / "local.settings.json"
EXAMPLE = PROJECT / "local.settings.example.json"


class LocalSettingsError(Exception):
    """local.settings.json can't be used; the message says why."""


def local_environment(environ: Mapping[str, str], path: Path = SETTINGS) -> dict[str, str]:
    """The environment with the values of local.settings.json, which is made from the example when it is missing.

    Raises:
        LocalSettingsError: the file is no JSON, or not of the form that Core Tools write.
    """
    if not path.exists():
        shutil.copyfile(EXAMPLE, path)
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise LocalSettingsError(f"{path.name} is no JSON: {error}") from None
    values = found.get("Values", {}) if isinstance(found, dict) else None
    if not isinstance(values, dict):
        raise LocalSettingsError(f'{path.name} must be an object with an object "Values"')
    return {**{str(name): str(value) for name, value in values.items()}, **environ}


def workspace_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the user's workflows, as the app finds it."""
    return PROJECT / (environ.get("WORKSPACE_PATH") or "workspace")
