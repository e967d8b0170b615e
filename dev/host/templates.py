"""Route templates with `{name}` and, at the end, `{*rest}`: all that the app uses of what Azure's host takes.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

from __future__ import annotations

import re

_NAME = r"([^{}*:=?/]+)"
_PARAMETER = re.compile(rf"\{{{_NAME}\}}")
_CATCH_ALL = re.compile(rf"\{{\*{{1,2}}{_NAME}\}}")


class Template:
    """A route template, compiled.

    Args:
        text: the template, with the route prefix.

    Raises:
        ValueError: it has something else than text, `{name}` and `{*rest}`; the message says what this host takes.
    """

    def __init__(self, text: str) -> None:
        segments = text.strip("/").split("/") if text.strip("/") else []
        if "" in segments:
            raise ValueError("there is an empty segment")
        self._names: list[str] = []
        catch_all = _CATCH_ALL.fullmatch(segments[-1]) if segments else None
        pattern = "".join(map(self._segment, segments[:-1] if catch_all else segments))
        if catch_all:
            self._names.append(catch_all[1])
            pattern += "(?:/(.*))?"
        if len({name.lower() for name in self._names}) < len(self._names):
            raise ValueError("a parameter name is used twice")
        self._pattern = re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL)

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the parameters that a path has; None when it does not match.

        Args:
            path: decoded, with its first slash.
        """
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        # Only a catch-all parameter can have found nothing, and then it has no value.
        return {name: value for name, value in zip(self._names, match.groups(), strict=True) if value}

    def _segment(self, text: str) -> str:
        # A split at parameters gives text and names in turn.
        parts = _PARAMETER.split(text)
        literals, names = parts[::2], parts[1::2]
        if any(brace in literal for literal in literals for brace in "{}"):
            raise ValueError(
                "the local host takes {name} and, as the last part, {*rest}; "
                "no constraints, defaults, optional parameters or other braces"
            )
        if "" in literals[1:-1]:
            raise ValueError("two parameters need something between them")
        self._names += names
        return "/" + "([^/]+)".join(map(re.escape, literals))
