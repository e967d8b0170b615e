"""The HTTP request behind an endpoint's run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class HttpRequestInfo:
    """The HTTP request behind an endpoint's run, without secrets.

    Attributes:
        method: in upper case.
        headers: names in lower case.
        query: the query's parameters; one that comes more than once has its values with commas between them.
        body: the raw body, as its sender has signed it: with its Content-Encoding, if it has one.
        left_out: names of the fields that the workflow has no parameter for.
    """

    method: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    left_out: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The request as it is recorded for a run from the queue."""
        body = base64.b64encode(self.body).decode("ascii")
        found = {"method": self.method, "headers": dict(self.headers), "query": dict(self.query), "body": body}
        return {**found, "leftOut": list(self.left_out)} if self.left_out else found

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The request that `as_json` wrote."""
        body = base64.b64decode(value["body"])
        return cls(value["method"], value["headers"], value["query"], body, tuple(value.get("leftOut", ())))
