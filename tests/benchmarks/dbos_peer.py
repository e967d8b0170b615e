"""DBOS on SQLite, run by the Python of its own environment: one call of a no-op workflow, and 500 queued ones.

Prints {"call_ms": p50, "queued_per_second": rate} as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dbos import DBOS, DBOSConfig  # pyright: ignore[reportMissingImports] - not installed with this project

CALLS = 300
QUEUED = 500


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config: DBOSConfig = {"name": "peer", "system_database_url": f"sqlite:///{Path(folder) / 'dbos.sqlite'}"}
        DBOS(config=config)

        @DBOS.workflow()
        def noop() -> None: ...

        DBOS.launch()
        queue = DBOS.register_queue("peer", polling_interval_sec=0.05)
        noop()
        times: list[float] = []
        for _ in range(CALLS):
            began = time.perf_counter()
            noop()
            times.append((time.perf_counter() - began) * 1000)
        # It works while it is fed, so both are in the figure.
        began = time.perf_counter()
        handles = [queue.enqueue(noop) for _ in range(QUEUED)]
        for handle in handles:
            handle.get_result()
        rate = QUEUED / (time.perf_counter() - began)
        DBOS.destroy()
    print(json.dumps({"call_ms": statistics.median(times), "queued_per_second": rate}), file=sys.__stdout__)


if __name__ == "__main__":
    main()
