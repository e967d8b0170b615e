"""The table that the benchmarks print."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, all in `unit`.

    Attributes:
        name: what was measured.
        value: ours.
        floor: what it can't be less than, measured in the same run.
        target: a sentence: what we mean to reach.
        met: whether we did.
    """

    name: str
    value: float
    floor: float
    unit: str
    target: str
    met: bool


def show(figures: list[Figure]) -> None:
    """Prints the table."""
    print(f"{'figure':44} {'ours':>10} {'floor':>10} {'over':>10} {'ratio':>7}  target")
    for figure in figures:
        ratio = f"{figure.value / figure.floor:.2f}" if figure.floor else "—"
        over = figure.value - figure.floor
        mark = "met" if figure.met else "NOT MET"
        print(
            f"{figure.name:44} {figure.value:>10.2f} {figure.floor:>10.2f} {over:>10.2f} {ratio:>7}"
            f"  {figure.unit}: {figure.target}: {mark}"
        )
