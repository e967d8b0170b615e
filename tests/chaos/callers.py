"""Callers that don't give up: what they do when an app or its storage is away, and how they see what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import aiohttp

from tests.support.hosted import Answer, Client

_UNFINISHED = ("Pending", "Running", "Cancelling")


async def execute(clients: Sequence[Client], workflow: str, key: str, **parameters: Any) -> Answer:
    """Executes a workflow, again and again until it is answered; the key makes sure that it is run once."""
    body = {"workflowName": workflow, "inputData": parameters}
    turn = hash(key)
    while True:
        client = clients[turn % len(clients)]
        turn += 1
        try:
            answer = await client.post("/workflows/execute", body, headers={"Idempotency-Key": key})
        except aiohttp.ClientError:
            await asyncio.sleep(0.2)
            continue
        if answer.status < 500:
            return answer
        await asyncio.sleep(0.2)


async def until_all_ended(client: Client, seconds: float) -> None:
    """Waits until no execution waits or runs."""
    async with asyncio.timeout(seconds):
        while True:
            counts = [len(await listed(client, status=status)) for status in _UNFINISHED]
            if not any(counts):
                return
            await asyncio.sleep(0.5)


async def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    """All executions in a list, from its first page to its last."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await patiently(partial(client.get, "/executions", limit=1000, **query))
        found += answer.body["executions"]
        if answer.body["continuationToken"] is None:
            return found
        query["continuationToken"] = answer.body["continuationToken"]


async def execution(client: Client, execution_id: str) -> dict[str, Any]:
    """An execution, whole."""
    answer = await patiently(partial(client.get, f"/executions/{execution_id}"))
    assert answer.status == 200, answer
    return answer.body


async def patiently(call: Callable[[], Any]) -> Answer:
    """Makes a call until it is answered, with anything but that the app or its storage is away."""
    while True:
        try:
            answer: Answer = await call()
        except aiohttp.ClientError:
            pass
        else:
            if answer.status < 500:
                return answer
        await asyncio.sleep(0.3)
