"""The tree of errors is as it is drawn at the top of its module."""

from __future__ import annotations

import inspect
import re

from shared import errors

LINE = re.compile(r"^( *)[*+-] (\w+)(?: +(\d{3}))?$", re.MULTILINE)


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Each error's parent and status, as the drawing has them."""
    found: dict[str, tuple[str | None, int | None]] = {}
    above: list[str] = []
    for indent, name, status in LINE.findall(errors.__doc__ or ""):
        depth = len(indent) // 2
        assert name not in found
        found[name] = (above[depth - 1] if depth else None, int(status) if status else None)
        above[depth:] = [name]
    return found


def declared() -> dict[str, tuple[str | None, int | None]]:
    """The same of the classes: the parent is the nearest that is public and stands in this module."""
    public = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, BaseException) and not name.startswith("_")
    }
    return {
        name: (
            next((base.__name__ for base in kind.__mro__[1:] if base.__name__ in public), None),
            kind.status if issubclass(kind, errors.PlatformError) else None,
        )
        for name, kind in public.items()
    }


def test_every_error_is_drawn_under_its_parent_with_its_status():
    assert drawn() == declared()


def test_what_a_start_can_not_get_past_is_no_answer():
    assert not issubclass(errors.SettingsError, errors.PlatformError)
    assert not issubclass(errors.DefinitionError, errors.PlatformError)


def test_only_the_end_of_a_run_passes_by_a_careless_except():
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, BaseException)]
    assert [kind.__name__ for kind in kinds if not issubclass(kind, Exception)] == ["ExecutionStopped"]
