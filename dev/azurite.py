"""Starts and stops Azurite, the emulator of Azure Storage, as a child of this process.

Standard library only: this runs before the virtual environment is there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

PROJECT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
DEFAULT_ACCOUNT = "devstoreaccount1"
# Public and the same for everybody: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
DEFAULT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0
# Longer than clients keep an idle connection, so that none is closed under a request that has just been sent.
KEEP_ALIVE_SECONDS = 120

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at https?://[\d.]+:(\d+)")
_TAKEN = re.compile(r"EADDRINUSE.*:(\d+)")
# The pipe to the child's standard input closes when this process ends, however it ends; Azurite then ends too.
_END_WITH_PARENT = "data:text/javascript,process.stdin.on('end',()=>process.kill(process.pid)).resume().unref()"


class AzuriteError(Exception):
    """Azurite can't be started; the message is one line that says why."""


class Ports(NamedTuple):
    """The ports of the three services."""

    blob: int
    queue: int
    table: int


class Azurite:
    """One Azurite process on 127.0.0.1.

    Args:
        location: folder for its data, made when missing.
        first_port: port of the blob service; queue and table take the two that follow. None: free ports, which stay
            the same when this object is stopped and started again.
        accounts: names and base64 keys of storage accounts, besides devstoreaccount1.
        in_memory: keep the data in memory only; it is gone when the process ends.
        certificate: files of a certificate and its key: it then speaks HTTPS, and takes identities' tokens.
    """

    def __init__(
        self,
        location: Path,
        first_port: int | None = None,
        *,
        accounts: Mapping[str, str] | None = None,
        in_memory: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._location = location
        self._accounts = {DEFAULT_ACCOUNT: DEFAULT_KEY, **(accounts or {})}
        self._in_memory = in_memory
        self._certificate = certificate
        self._wanted = Ports(0, 0, 0) if first_port is None else Ports(first_port, first_port + 1, first_port + 2)
        self._process: subprocess.Popen[str] | None = None
        self._output: _Output | None = None

    def start(self) -> None:
        """Starts Azurite and returns when blob, queue and table listen.

        Raises:
            AzuriteError: Node.js or Azurite is missing, a port is taken, or Azurite ended or hung.
        """
        if self.is_running:
            raise AzuriteError("Azurite is already running")
        self._location.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            self._command(),
            cwd=self._location,
            env={**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in self._accounts.items())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C goes to the whole foreground group; storage must outlive the app that drains into it.
            start_new_session=sys.platform != "win32",
        )
        self._process = process
        self._output = _Output(process)
        self._output.settled.wait(START_TIMEOUT_SECONDS)
        ports = self._output.ports
        if ports is None:
            reason = self._failure(process)
            self.kill()
            raise AzuriteError(reason)
        self._wanted = ports

    def stop(self) -> None:
        """Asks Azurite to end, which writes its data out, and kills it when it takes longer than ten seconds."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        self._reap()

    def kill(self) -> None:
        """Ends Azurite at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int | None:
        """The process, None when there is none."""
        return None if self._process is None else self._process.pid

    @property
    def ports(self) -> Ports:
        """The ports; known once `start` has returned, and kept from then on."""
        if not self._wanted.blob:
            raise AzuriteError("Azurite has no ports before it was started")
        return self._wanted

    @property
    def connection_string(self) -> str:
        """Connection string of devstoreaccount1."""
        return self.connection_string_for(DEFAULT_ACCOUNT)

    def connection_string_for(self, account: str) -> str:
        """Connection string of one of the accounts."""
        return _connection_string(account, self._accounts[account], self.ports)

    def _command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            raise AzuriteError("Node.js was not found: install Node.js 20 or later, and see that `node` is on the PATH")
        entry = PROJECT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        if not entry.exists():
            raise AzuriteError("Azurite is not installed: node_modules/azurite is missing; run `npm ci`")
        command = [node, "--import", _END_WITH_PARENT, str(entry)]
        # It takes only one of the two.
        command += ["--inMemoryPersistence"] if self._in_memory else ["--location", str(self._location)]
        for service, port in self._wanted._asdict().items():
            command += [f"--{service}Host", HOST, f"--{service}Port", str(port)]
            command += [f"--{service}KeepAliveTimeout", str(KEEP_ALIVE_SECONDS)]
        if self._certificate is not None:
            certificate, key = self._certificate
            command += ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
        # The storage SDKs send an API version that is newer than the one Azurite knows.
        return [*command, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]

    def _failure(self, process: subprocess.Popen[str]) -> str:
        assert self._output is not None
        if process.poll() is None and not self._output.ended:
            return f"Azurite did not answer within {START_TIMEOUT_SECONDS:.0f} s"
        for line in self._output.tail:
            if taken := _TAKEN.search(line):
                return f"Port {taken[1]} is taken; Azurite can't start"
        last = self._output.tail[-1] if self._output.tail else "no output"
        return f"Azurite ended: {last}"

    def _reap(self) -> None:
        process, output = self._process, self._output
        assert process is not None
        assert output is not None
        process.wait()
        output.thread.join()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        self._process = self._output = None


def connection_string_at(first_port: int) -> str:
    """Connection string of devstoreaccount1 in an Azurite that listens on this port and the two that follow."""
    return _connection_string(DEFAULT_ACCOUNT, DEFAULT_KEY, Ports(first_port, first_port + 1, first_port + 2))


def _connection_string(account: str, key: str, ports: Ports) -> str:
    endpoints = "".join(
        f"{service.capitalize()}Endpoint=http://{HOST}:{port}/{account};" for service, port in ports._asdict().items()
    )
    return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};{endpoints}"


class _Output:
    """Reads the child's output to its end: the ports it listens on, and its last lines for an error message."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.settled = threading.Event()  # it listens, or it has ended
        self.ended = False
        self.tail: deque[str] = deque(maxlen=20)
        self._found: dict[str, int] = {}
        self._process = process
        self.thread = threading.Thread(target=self._read, name="azurite-output", daemon=True)
        self.thread.start()

    @property
    def process_id(self) -> int | None:
        """The process, None when there is none."""
        return None if self._process is None else self._process.pid

    @property
    def ports(self) -> Ports | None:
        return Ports(**self._found) if len(self._found) == len(Ports._fields) else None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip():
                self.tail.append(line.strip())
            if listening := _LISTENING.search(line):
                self._found[listening[1].lower()] = int(listening[2])
                if self.ports is not None:
                    self.settled.set()
        self.ended = True
        self.settled.set()
