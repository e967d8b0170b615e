"""`python3 -m dev bench [walks [--files]]`"""

from __future__ import annotations

import asyncio
import subprocess
import sys

from tests.benchmarks import data_providers, engine, executions, imports, peers, telemetry, walks
from tests.benchmarks.report import show


def main(arguments: list[str]) -> None:
    """Prints everything, or with `walks` only how far a reader walks."""
    if arguments[:1] == ["walks"]:
        walks.main(arguments[1:])
        return
    measured = asyncio.run(executions.figures())
    options = asyncio.run(data_providers.figures())
    show(
        [
            *asyncio.run(engine.figures()),
            *telemetry.figures(),
            *imports.figures(),
            *measured,
            *peers.figures(measured),
            *options,
        ]
    )
    print(f"import function_app pulls in: {', '.join(imports.packages())}")
    # In a process of their own: the app reads its settings once.
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "tests.benchmarks", "walks"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
