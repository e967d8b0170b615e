"""Gates that workflows of tests wait at, so that a test decides when a run goes on."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict

Run = tuple[str, int]

_lock = threading.Lock()
_gates: dict[Run, threading.Event] = defaultdict(threading.Event)
starts: Counter[Run] = Counter()


async def arrive(execution_id: str, attempt: int) -> None:
    """For the workflow: counts the start, and waits until the gate is open.

    Not in a thread: CPython 3.11 under a tracer spins while a thread that waits in C code is to be stopped.
    """
    with _lock:
        starts[execution_id, attempt] += 1
        gate = _gates[execution_id, attempt]
    while not gate.is_set():
        await asyncio.sleep(0.005)


def open_gate(execution_id: str, attempt: int) -> None:
    """For the test: lets the run go on, now or when it arrives."""
    with _lock:
        _gates[execution_id, attempt].set()
