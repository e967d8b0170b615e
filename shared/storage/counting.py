"""Counts the requests that go to storage on behalf of one piece of work."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Service = Literal["tables", "queues", "blobs"]


@dataclass(slots=True)
class CallCounter:
    """HTTP requests sent so far, repeated ones too.

    Attributes:
        tables, queues, blobs: requests to each service.
        total: requests to all three.
        recorded: how many of them a record already counts as its own.
        outer: the counter of the block around this one's, which counts them too.
    """

    tables: int = 0
    queues: int = 0
    blobs: int = 0
    total: int = 0
    recorded: int = 0
    outer: CallCounter | None = None


storage_calls: ContextVar[CallCounter | None] = ContextVar("storage_calls", default=None)
"""The counter of the innermost `count_storage_calls`, None outside."""


@contextmanager
def count_storage_calls() -> Generator[CallCounter]:
    """Counts every request that is sent inside this block, and by the tasks that are started in it."""
    counter = CallCounter(outer=storage_calls.get())
    token = storage_calls.set(counter)
    try:
        yield counter
    finally:
        storage_calls.reset(token)


def count_request(service: Service) -> None:
    """Counts one request; for the transport, which alone sends them."""
    counter = storage_calls.get()
    while counter is not None:
        setattr(counter, service, getattr(counter, service) + 1)
        counter.total += 1
        counter = counter.outer
