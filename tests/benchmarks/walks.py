"""How far a reader walks: through which files six common calls pass, and how often they come back to one they had left.

A frame of the platform's code counts once, when it is entered; frames of one file in a row are one stay in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import sys
import tempfile
import threading
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import azure.functions as func
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from dev.azurite import Azurite

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "workflow-executions"
SEED_FORM = ROOT / "dev" / "seed_form.json"


@dataclass(slots=True)
class Walk:
    """The files that a call passed, in its order, without repetitions in a row."""

    stays: list[str] = field(default_factory=list[str])

    @property
    def files(self) -> int:
        return len(set(self.stays))

    @property
    def returns(self) -> int:
        return len(self.stays) - self.files


class Tracer:
    """Notes walks. Every thread that begins later is watched, too: user code has threads of its own.

    A coroutine that goes on is the same frame, entered again.
    """

    def __init__(self) -> None:
        self._walk: Walk | None = None
        self._frames: set[FrameType] = set()
        self._rooms = (str(ROOT / "shared"), str(ROOT / "functions"))
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    @contextlib.contextmanager
    def walk(self) -> Iterator[Walk]:
        """Notes the walk of what is called inside the block."""
        self._frames.clear()
        self._walk = walk = Walk()
        try:
            yield walk
        finally:
            self._walk = None

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        walk, file = self._walk, frame.f_code.co_filename
        if walk is None or event != "call" or not file.startswith(self._rooms) or frame in self._frames:
            return
        self._frames.add(frame)
        if not walk.stays or walk.stays[-1] != file:
            walk.stays.append(file)


async def walks() -> dict[str, Walk]:
    """Each call once, when all that it needs is loaded and known."""
    found: dict[str, Walk] = {}
    tracer = Tracer()
    async with _app() as (call, worker):
        form = (await call("forms_create", body=json.loads(SEED_FORM.read_bytes()))).body["id"]
        accepted: list[str] = []

        async def run_now() -> None:
            await call("workflows_execute_named", {"workflowName": "hello"}, body={"inputData": {"name": "Ada"}})

        async def enqueue() -> None:
            body = {"inputData": {"lines": ["A-1;19.90"], "seconds_per_order": 0}}
            answer = await call("workflows_execute_named", {"workflowName": "import_orders"}, body=body)
            accepted.append(answer.body["executionId"])

        async def poll() -> None:
            await call("executions_get", {"executionId": accepted[-1]})

        async def dropdown() -> None:
            await call("data_providers_post_options", {"providerName": "countries"}, body={})

        async def submit() -> None:
            body = {"formData": {"customer": "Ada", "country": "de", "city": "Berlin"}}
            await call("forms_execute", {"formId": form}, body=body)

        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "sync run": run_now,
            "POST of an async run": enqueue,
            "worker": worker,
            "poll": poll,
            "dropdown from memory": dropdown,
            "submitted form": submit,
        }
        for _ in range(3):
            for name, step in steps.items():
                with tracer.walk() as found[name]:
                    await step()
    return found


@contextlib.asynccontextmanager
async def _app() -> AsyncIterator[tuple[Any, Callable[[], Awaitable[None]]]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="walks-")))
        azurite = stack.enter_context(Azurite(folder / "azurite", in_memory=True))
        os.environ |= {"AzureWebJobsStorage": azurite.connection_string, "AUTH_MODE": "development"}
        # The app reads the settings when it is imported; what tests hold its answers against is no part of a walk.
        calls = importlib.import_module("tests.support.calls")
        vars(calls)["check_answer"] = lambda *_: None
        queue = QueueClient.from_connection_string(
            azurite.connection_string, QUEUE, message_decode_policy=TextBase64DecodePolicy()
        )

        async def worker() -> None:
            async for message in queue.receive_messages(max_messages=1):
                given = func.QueueMessage(id=message.id, body=message.content)
                await calls.functions()["queue_worker"](given)
                await queue.delete_message(message)

        yield calls.call, worker
        await queue.close()


def size_of_the_house() -> str:
    """Lines, modules and layers of what is deployed."""
    modules = [path for room in ("shared", "functions") for path in (ROOT / room).rglob("*.py")]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = len(settings["tool"]["importlinter"]["contracts"][0]["layers"])
    return f"shared and functions: {lines:,} lines, {len(modules)} modules, {layers} layers"


def main(arguments: list[str]) -> None:
    """Prints the table; with --files also the walks themselves."""
    found = asyncio.run(walks())
    print(f"{'walk':24} {'files':>6} {'returns':>8}")
    for name, walk in found.items():
        print(f"{name:24} {walk.files:>6} {walk.returns:>8}")
    print(size_of_the_house())
    for name, walk in found.items() if "--files" in arguments else ():
        print(f"\n{name}", *(f"  {Path(stay).relative_to(ROOT)}" for stay in walk.stays), sep="\n")
