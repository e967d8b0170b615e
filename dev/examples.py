"""The files that workspace/ is shipped with. The platform's tests see these alone, whatever else lies there."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev.setup import PROJECT

SHIPPED = (
    "_tests/test_examples.py",
    "examples/_orders.py",
    "examples/delivery.py",
    "examples/departments.py",
    "examples/hello.py",
    "examples/import_orders.py",
    "examples/licences.py",
    "examples/places.py",
    "examples/ticket_webhook.py",
)


def is_shipped(path: str) -> bool:
    """Whether a file of the project is the platform's, and not one that the user has put into workspace/.

    Args:
        path: below the project's folder, with `/`.
    """
    folder, _, rest = path.partition("/")
    return folder != "workspace" or rest in SHIPPED


def copy_examples(folder: Path) -> Path:
    """Makes a workspace of the shipped files alone, and gives it.

    Args:
        folder: made when missing.

    Raises:
        FileNotFoundError: one of them is no longer in workspace/.
    """
    for name in SHIPPED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "workspace" / name, target)
    return folder
