"""`python3 -m dev bench`"""

from __future__ import annotations

import asyncio

from tests.benchmarks import data_providers, engine, executions, imports, peers, telemetry
from tests.benchmarks.report import show

if __name__ == "__main__":
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
