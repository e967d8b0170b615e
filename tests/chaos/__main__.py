"""`python3 -m dev chaos [NAME …]`: faults, crashes and soak at full size; says what each came to."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from dev.azurite import Azurite
from tests.chaos.crashes import crash
from tests.chaos.soak import soak
from tests.chaos.trouble import away, faulty
from tests.support.accounts import generated_accounts, unused_accounts


class Report(Protocol):
    """What one of them came to."""

    wrong: list[str]


def _memory(folder: Path) -> Azurite:
    return Azurite(folder / "azurite", accounts=generated_accounts(), in_memory=True)


def _work(folder: Path) -> Path:
    work = folder / "work"
    work.mkdir()
    return work


async def _faults(folder: Path) -> Report:
    """1,000 executions on storage of which one exchange in twelve goes wrong."""
    with _memory(folder) as azurite:
        account = next(unused_accounts(azurite))
        return await faulty(azurite, account, _work(folder), executions=1000, rate=0.08, seed=2)


async def _away(folder: Path) -> Report:
    """Storage stopped for 30 s in the middle of 900 executions."""
    azurite = Azurite(folder / "azurite")
    azurite.start()
    try:
        return await away(azurite, _work(folder), executions=300, seconds=30)
    finally:
        azurite.stop()


async def _crashes(folder: Path, workflow: str) -> Report:
    with _memory(folder) as azurite:
        connection = next(unused_accounts(azurite)).connection_string
        return await crash(
            connection, _work(folder), instances=3, workflows={workflow: 1000}, kills=20, seconds=0.5, seed=3
        )


async def _crashes_retried(folder: Path) -> Report:
    """1,000 queued executions with a retry policy on 3 instances, of whose workers 20 are killed."""
    return await _crashes(folder, "work_again")


async def _crashes_once(folder: Path) -> Report:
    """The same without a retry policy."""
    return await _crashes(folder, "work_once")


async def _soak(folder: Path) -> Report:
    """100,000 short executions in one process."""
    with _memory(folder) as azurite:
        return await soak(unused_accounts(azurite), _work(folder), executions=100_000)


RUNS: dict[str, Callable[[Path], Coroutine[Any, Any, Report]]] = {
    "faults": _faults,
    "away": _away,
    "crashes": _crashes_retried,
    "crashes-once": _crashes_once,
    "soak": _soak,
}


def main(names: list[str]) -> int:
    """Runs what is named, or all; 0 when nothing was wrong."""
    unknown = set(names) - set(RUNS)
    if unknown:
        print(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}", file=sys.stderr)
        return 2
    wrong = 0
    for name in names or RUNS:
        print(f"── {name}: {(RUNS[name].__doc__ or '').strip()}", flush=True)
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            report = asyncio.run(RUNS[name](Path(folder)))
        print(f"   {report}", flush=True)
        wrong += bool(report.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
