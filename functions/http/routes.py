"""The routes as they are declared: one table that serves requests, answers wrong methods, and describes the API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydantic import BaseModel

from shared.auth import Access
from shared.models.base import ApiModel

_PARAMETER = re.compile(r"\{\*?(\w+)\}")


class Nothing(ApiModel):
    """The body or query of a route that takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the API.

    Attributes:
        name: the Azure function's name; unique. Azure tries routes in the order of these names, so no two may overlap.
        method: GET, POST, PUT, PATCH or DELETE.
        path: below `/api`, with `{parameters}`.
        access: who may use it.
        runs_code: whether a GET runs code, which a browser must not be made to do.
        summary: a sentence for the API's description.
        body, query: the models that the body and the query are read as.
        answers: the model of each status that is no error; None for no content.
    """

    name: str
    method: str
    path: str
    access: Access
    summary: str
    body: type[BaseModel] = Nothing
    query: type[BaseModel] = Nothing
    answers: dict[int, object] = field(default_factory=dict[int, object])
    runs_code: bool = False

    def matches(self, path: str) -> bool:
        """Whether a path below `/api` is one of this route's, as Azure matches them: ignoring case and a last slash."""
        pattern = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(self.path)[::2])
        return re.fullmatch(pattern + "/?", path, re.IGNORECASE) is not None


ROUTES: list[Route] = []


def methods_of(path: str) -> list[str]:
    """The methods that a path below `/api` answers to."""
    return sorted({route.method for route in ROUTES if route.matches(path)})
