"""SIGTERM and Ctrl-C as an event of the loop, on every platform."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_requested() -> Iterator[asyncio.Event]:
    """An event that is set by SIGTERM or SIGINT while the block runs; in the main thread only."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def handle(*_: object) -> None:
        loop.call_soon_threadsafe(event.set)

    # Not loop.add_signal_handler, which Windows does not have.
    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
