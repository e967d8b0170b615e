"""`python3 -m dev start`: storage and the app on this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from dev.azurite import HOST, Azurite, AzuriteError, connection_string_at
from dev.cli import DEFAULT_STORAGE_PORT
from dev.host.host_json import HostJsonError
from dev.host.http_server import PortTakenError
from dev.host.local_host import HostError, LocalHost
from dev.host.logs import add_handler
from dev.host.signals import stop_requested
from dev.local_settings import LocalSettingsError, local_environment
from dev.setup import PROJECT

READY_TIMEOUT_SECONDS = 60
SEED_FORM = PROJECT / "dev" / "seed_form.json"
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
    try:
        asyncio.run(_start(options.port, options.storage_port))
    except (StartError, AzuriteError, HostError, HostJsonError, LocalSettingsError, PortTakenError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _start(port: int, storage_port: int) -> None:
    with stop_requested() as stop:
        environ = local_environment(os.environ)
        _check_port(port)
        storage = await asyncio.to_thread(_storage, environ, storage_port)
        try:
            host = LocalHost(PROJECT, port, {**environ, "AzureWebJobsStorage": storage.connection})
            add_handler(logging.getLogger("dev.host"), {})
            try:
                await _unless(stop, _become_ready(host))
                await stop.wait()
                print("\nStopping", flush=True)
            finally:
                await host.stop()
        finally:
            if storage.azurite is not None:
                await asyncio.to_thread(storage.azurite.stop)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Does the work, or gives it up when the user wants to stop."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
    else:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _become_ready(host: LocalHost) -> None:
    print("Loading the app", flush=True)
    await host.start()
    if host.load_error is not None:
        raise StartError(f"The app can't be loaded: {host.load_error}")
    await _wait_until_healthy(host.url)
    form_id = await asyncio.to_thread(offer_form, host.url)
    address = host.url.replace(HOST, "localhost")
    body = '{"workflowName": "hello", "inputData": {"name": "Ada"}}'
    print(
        f"\nThe app is ready. Ctrl-C ends it.\n\n"
        f"  {address}/            links to its pages\n"
        f"  {address}/api/docs    the API, to browse and try\n\n"
        f"Its workflows are in workspace/. Try one:\n\n"
        f"  curl -X POST {address}/api/workflows/execute -H 'Content-Type: application/json' -d '{body}'\n",
        flush=True,
    )
    if form_id is not None:
        data = '{"formData": {"customer": "Ada", "country": "de", "city": "Berlin"}}'
        print(
            f"and a form with two dropdowns (docs/forms.md):\n\n"
            f"  curl -X POST {address}/api/forms/{form_id}/execute -H 'Content-Type: application/json' -d '{data}'\n",
            flush=True,
        )


async def _wait_until_healthy(url: str) -> None:
    reason = "no answer"
    for _ in range(READY_TIMEOUT_SECONDS * 5):
        try:
            await asyncio.to_thread(_get, f"{url}/api/health")
        except urllib.error.HTTPError as error:
            reason = error.read().decode("utf-8", "replace") or str(error)
        except OSError as error:
            reason = str(error)
        else:
            return
        await asyncio.sleep(0.2)
    raise StartError(f"The app did not become healthy within {READY_TIMEOUT_SECONDS} s: {reason}")


def offer_form(url: str) -> str | None:
    """Makes the example's form where there is none yet, and gives the id; None when there are forms, or it can't be."""
    try:
        if json.loads(_get(f"{url}/api/forms")):
            return None
        return json.loads(_get(f"{url}/api/forms", SEED_FORM.read_bytes()))["id"]
    except urllib.error.HTTPError as error:
        # A workspace without the examples, callers who are known in another way, or another start that was faster.
        if error.code not in (400, 401, 403, 409):
            raise StartError(f"The example's form can't be made: {error.read().decode('utf-8', 'replace')}") from None
        return None


def _get(url: str, posted: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, posted, timeout=10) as answer:  # noqa: S310 - always http, on this machine
        return answer.read()


def _check_port(port: int) -> None:
    # The host finds it out too, but only when storage has been started.
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StartError(f"Port {port} is taken: choose another with --port") from None


def _storage(environ: dict[str, str], first_port: int) -> Storage:
    named = os.environ.get("AzureWebJobsStorage") or environ.get("AzureWebJobsStorage", DEVELOPMENT_STORAGE)
    if os.environ.get("AzureWebJobsStorage") or named.rstrip(";") != DEVELOPMENT_STORAGE:
        return Storage(named)
    connection = DEVELOPMENT_STORAGE if first_port == DEFAULT_STORAGE_PORT else connection_string_at(first_port)
    if _azurite_answers(first_port):
        # Another start of this project: two instances on one storage. Whoever started Azurite stops it.
        return Storage(connection)
    # A folder for each: two Azurites on one would spoil its data.
    azurite = Azurite(PROJECT / ".azurite" / str(first_port), first_port)
    print(f"Starting storage (Azurite on the ports {first_port} to {first_port + 2})", flush=True)
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
