"""Route templates: literals, `{x}`, `{x:constraint}`, `{x?}`, `{x=default}`, `{*x}`, several of them in one segment.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from dev.host.constraints import Constraint, make_constraint


@dataclass(frozen=True, slots=True)
class Parameter:
    """A `{…}` of a template; `default` is None where there is none."""

    name: str
    constraints: tuple[Constraint, ...]
    default: str | None = None
    optional: bool = False
    catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        """Whether a path without this part matches too."""
        return self.optional or self.catch_all or self.default is not None


Segment = list["str | Parameter"]


class Template:
    """A route template, compiled.

    Args:
        text: the template, with the route prefix.

    Raises:
        ValueError: it can't be understood; the message says what is wrong.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip("/")
        segments = [_parse_segment(part) for part in _split(self.text)] if self.text else []
        self._parameters = [part for segment in segments for part in segment if isinstance(part, Parameter)]
        names = [parameter.name.lower() for parameter in self._parameters]
        if len(set(names)) != len(names):
            raise ValueError("a parameter name is used twice")
        if any(parameter.catch_all for parameter in self._parameters[:-1]) or (
            self._parameters and self._parameters[-1].catch_all and segments[-1] != [self._parameters[-1]]
        ):
            raise ValueError("a catch-all parameter must be the last part")
        self._pattern = re.compile(_pattern_of(segments), re.IGNORECASE | re.DOTALL)

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the parameters that a path has; None when it does not match.

        Args:
            path: decoded, with its first slash.
        """
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        values: dict[str, str] = {}
        for parameter, found in zip(self._parameters, match.groups(), strict=True):
            value = found or parameter.default
            if value is None:
                continue
            if not all(allows(value) for allows in parameter.constraints):
                return None
            values[parameter.name] = value
        return values


def _split(text: str) -> list[str]:
    """Segments: what slashes outside braces separate."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == "/" and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    if depth:
        raise ValueError("braces are not balanced")
    parts.append(text[start:])
    if "" in parts:
        raise ValueError("there is an empty segment")
    return parts


# Doubled braces stand for themselves, in literals and in constraints.
_PART = re.compile(r"\{(?!\{)((?:[^{}]|\{\{|\}\})*)\}(?!\})|((?:[^{}]|\{\{|\}\})+)")


def _parse_segment(text: str) -> Segment:
    segment: Segment = []
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError("braces are not balanced")
        inner, literal = part.groups()
        segment.append(_unescape(literal) if inner is None else _parse_parameter(_unescape(inner)))
        position = part.end()
    if any(isinstance(one, Parameter) and isinstance(two, Parameter) for one, two in itertools.pairwise(segment)):
        raise ValueError("two parameters need something between them")
    return segment


def _unescape(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


# A constraint's arguments end at the bracket that another constraint, a default or the end follows.
_NAME = re.compile(r"(\*{0,2})([^*:=?/]+)")
_CONSTRAINT = re.compile(r":([^:=(]+)(?:\((.*?)\)(?=[:=]|\Z))?", re.DOTALL)


def _parse_parameter(text: str) -> Parameter:
    optional = text.endswith("?")
    text = text.removesuffix("?")
    name = _NAME.match(text)
    if name is None:
        raise ValueError(f"{{{text}}} has no valid name")
    constraints: list[Constraint] = []
    position = name.end()
    while found := _CONSTRAINT.match(text, position):
        constraints.append(make_constraint(found[1], found[2]))
        position = found.end()
    rest = text[position:]
    if (rest and not rest.startswith("=")) or (rest and optional):
        raise ValueError(f"{{{text}}} can't be understood")
    return Parameter(
        name=name[2],
        constraints=tuple(constraints),
        default=rest[1:] if rest.startswith("=") else None,
        optional=optional,
        catch_all=bool(name[1]),
    )


def _pattern_of(segments: list[Segment]) -> str:
    pattern = ""
    may_end_here = True
    for segment in reversed(segments):
        first = segment[0]
        if isinstance(first, Parameter) and len(segment) == 1:
            part = "/(.*)" if first.catch_all else "/([^/]+)"
            # A part may be absent only where all that follows may be, too.
            may_end_here = may_end_here and first.may_be_absent
            pattern = f"(?:{part}{pattern})?" if may_end_here else part + pattern
        else:
            may_end_here = False
            pattern = "/" + _mixed(segment) + pattern
    return pattern + "/?"


def _mixed(segment: Segment) -> str:
    *before, last = segment
    text = "".join(re.escape(part) if isinstance(part, str) else "([^/]+)" for part in before[:-1])
    separator = before[-1] if before else None
    # In "{name}.{extension?}" the dot goes with the optional part.
    if isinstance(last, Parameter) and last.optional and separator == ".":
        text = text.removesuffix("([^/]+)") + "([^/]+?)" if text else text
        return text + r"(?:\.([^/.]+))?"
    for part in segment[len(before[:-1]) :]:
        text += re.escape(part) if isinstance(part, str) else "([^/]+)"
    return text
