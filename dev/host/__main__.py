"""`python -m dev.host --app DIR [--port N]`: the local host as a process; its settings are the environment."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from dev.host.host_json import HostJsonError
from dev.host.http_server import PortTakenError
from dev.host.local_host import HostError, LocalHost
from dev.host.logs import add_handler
from dev.host.signals import stop_requested


async def serve(app_dir: Path, port: int) -> None:
    """Serves an app until SIGTERM or Ctrl-C.

    Raises:
        HostError, HostJsonError, PortTakenError: the host can't start.
    """
    with stop_requested() as stopping:
        host = LocalHost(app_dir, port, os.environ)
        add_handler(logging.getLogger("dev.host"), {})
        await host.start()
        print(f"Listening on {host.url}", flush=True)
        await stopping.wait()
        await host.stop()


def main() -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True, metavar="DIR", help="folder with function_app.py")
    parser.add_argument("--port", type=int, default=7071, help="7071 unless given; 0: a free one")
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.app, arguments.port))
    except (HostError, HostJsonError, PortTakenError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
