"""What goes wrong between a client and its storage, drawn by a seed."""

from __future__ import annotations

import random
from typing import Literal

Fault = Literal["slow", "reset", "500", "503", "lost"]
KINDS: tuple[Fault, ...] = ("slow", "reset", "500", "503", "lost")


class Faults:
    """Draws a fault for some of the exchanges.

    Args:
        rate: for how many of them, from 0 to 1.
        seed: the same faults for the same exchanges.

    Attributes:
        drawn: how many of each kind there were.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)
        self.drawn: dict[Fault, int] = dict.fromkeys(KINDS, 0)

    def next(self) -> Fault | None:
        """The fault of the next exchange, None for most."""
        if self._random.random() >= self._rate:
            return None
        fault = self._random.choice(KINDS)
        self.drawn[fault] += 1
        return fault

    def delay(self) -> float:
        """Seconds that a slow answer takes."""
        return self._random.uniform(0.05, 0.6)
