"""`python3 -m dev start`: storage and the app on this machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass

from dev.azurite import HOST, Azurite, AzuriteError, connection_string_at
from dev.cli import DEFAULT_STORAGE_PORT
from dev.host.config import HostConfigError
from dev.host.supervisor import LocalHost
from dev.local_settings import LocalSettingsError, local_environment
from dev.setup import PROJECT

READY_TIMEOUT_SECONDS = 60
DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"


class StartError(Exception):
    """The app can't be started; the message is one line for the user."""


@dataclass(frozen=True)
class Storage:
    """The storage account to use, and the Azurite that this process has to stop."""

    connection: str
    azurite: Azurite | None = None


def main(options: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s host: %(message)s")
    try:
        return asyncio.run(_start(options.port, options.storage_port))
    except (StartError, AzuriteError, HostConfigError, LocalSettingsError) as error:
        print(error, file=sys.stderr)
        return 1


async def _start(port: int, storage_port: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    environ = local_environment(os.environ)
    _check_port(port)
    storage = await asyncio.to_thread(_storage, environ, storage_port)
    try:
        environ["AzureWebJobsStorage"] = storage.connection
        host = LocalHost(PROJECT, environ)
        try:
            await _serve(host, port, stop)
        finally:
            await host.stop()
    finally:
        if storage.azurite is not None:
            await asyncio.to_thread(storage.azurite.stop)
    return 0


async def _serve(host: LocalHost, port: int, stop: asyncio.Event) -> None:
    await host.start(port)
    if host.worker.failure:
        raise StartError(f"The app can't be loaded: {host.worker.failure.strip().splitlines()[-1]}")
    if await _is_ready(port, stop):
        _say_what_to_try(port)
    await stop.wait()
    print("\nStopping", flush=True)


async def _is_ready(port: int, stop: asyncio.Event) -> bool:
    reason = "no answer"
    for _ in range(READY_TIMEOUT_SECONDS * 5):
        if stop.is_set():
            return False
        try:
            await asyncio.to_thread(_get, f"http://{HOST}:{port}/api/health")
        except urllib.error.HTTPError as error:
            reason = error.read().decode("utf-8", "replace")
        except OSError as error:
            reason = str(error)
        else:
            return True
        await asyncio.sleep(0.2)
    raise StartError(f"The app did not become healthy within {READY_TIMEOUT_SECONDS} s: {reason}")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - always http, on this machine
        return answer.read()


def _say_what_to_try(port: int) -> None:
    body = '{"workflowName": "hello", "inputData": {"name": "Ada"}}'
    print(
        f"\nThe app is at http://localhost:{port} and its workflows are in workspace/. Ctrl-C ends it. Try:\n\n"
        f"  curl -X POST http://localhost:{port}/api/workflows/execute -d '{body}'\n",
        flush=True,
    )


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StartError(f"Port {port} is taken; choose another one with --port") from None


def _storage(environ: dict[str, str], first_port: int) -> Storage:
    named = os.environ.get("AzureWebJobsStorage") or environ.get("AzureWebJobsStorage", DEVELOPMENT_STORAGE)
    if os.environ.get("AzureWebJobsStorage") or named.rstrip(";") != DEVELOPMENT_STORAGE:
        return Storage(named)
    connection = DEVELOPMENT_STORAGE if first_port == DEFAULT_STORAGE_PORT else connection_string_at(first_port)
    if _azurite_answers(first_port):
        # Another start of this project: two instances on one storage. Whoever started Azurite stops it.
        return Storage(connection)
    azurite = Azurite(PROJECT / ".azurite", first_port)
    azurite.start()
    return Storage(connection, azurite)


def _azurite_answers(port: int) -> bool:
    try:
        _get(f"http://{HOST}:{port}/devstoreaccount1?comp=list")
    except urllib.error.HTTPError as error:
        return str(error.headers.get("Server", "")).startswith("Azurite")
    except OSError:
        return False
    return False
