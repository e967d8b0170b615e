"""Others who do what we do, measured on the same machine. They are installed for this alone, in `.dev/peers`."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

from dev.setup import PROJECT
from tests.benchmarks.report import Figure

_ENVIRONMENT = PROJECT / ".dev" / "peers"
_DBOS = "dbos>=3.4,<4"


def figures(ours: list[Figure]) -> list[Figure]:
    """DBOS on SQLite beside our own figures of the same run; none, and a line that says why, when it can't be had.

    SQLite is a file in the same process, and storage a service over HTTP: what DBOS takes is what a run without a
    network can take.
    """
    try:
        found = _dbos()
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        print(f"DBOS was not measured: {type(error).__name__}", file=sys.stderr)
        return []
    own = {figure.name: figure.value for figure in ours}
    call, queued = own["submit() of a sync no-op, p50"], own["queued no-ops, 1 worker"]
    return [
        Figure("a sync no-op, beside DBOS on SQLite", call, found["call_ms"], "ms", "a peer, not a floor", True),
        Figure(
            "queued no-ops, beside DBOS on SQLite",
            queued,
            found["queued_per_second"],
            "/s",
            "a peer, not a floor",
            True,
        ),
    ]


def _dbos() -> dict[str, float]:
    python = _ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(_ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", _DBOS], check=True)
    script = Path(__file__).with_name("dbos_peer.py")
    done = subprocess.run([python, script], check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])
