"""A queue function that tells over HTTP what it was called with."""

import asyncio
import json
import os
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

calls: list[dict[str, Any]] = []
called = asyncio.Condition()


@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
async def work(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    async with called:
        calls.append(
            {
                "body": body,
                "id": message.id,
                "dequeue_count": message.dequeue_count,
                "has_receipt": bool(message.pop_receipt),
                "insertion_time": str(message.insertion_time),
                "expiration_time": str(message.expiration_time),
                "time_next_visible": str(message.time_next_visible),
                "at": asyncio.get_running_loop().time(),
            }
        )
        called.notify_all()
    if body.startswith("fail"):
        raise ValueError(body)
    if body.startswith("hang"):
        await asyncio.Event().wait()


@app.queue_trigger(arg_name="message", queue_name="absent", connection="NO_SUCH_SETTING")
async def unconnected(message: func.QueueMessage) -> None:
    raise AssertionError


@app.route(route="calls/{count}")
async def get_calls(req: func.HttpRequest) -> func.HttpResponse:
    """Answers when there were so many calls."""
    async with called:
        await called.wait_for(lambda: len(calls) >= int(req.route_params["count"]))
    return func.HttpResponse(json.dumps(calls))


@app.route(route="process")
async def process(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(os.getpid()))
