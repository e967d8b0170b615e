"""Drives azure-functions-runtime: `python driver.py APP_DIR`. Reads a JSON request a line, writes a JSON answer a line.

    {"do": "index"}                                                      → {"functions": [{"name", "bindings"}]}
    {"do": "http", "function", "method", "url", "headers", "params", "body"}      body is base64, here and in the answer
    {"do": "queue", "function", "text", "dequeueCount"}
    {"do": "timer", "function", "pastDue"}               → {"ok", "error", "status", "headers", "body", "logs"}
    {"do": "bench", "times", "call": one of the above}   → {"p50_ms"}

Only the standard library and the worker library are imported here: this file runs outside of the project's environment.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import statistics
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Fields:
    """A message of the protocol: what was not set is None, as the library expects of the real ones."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        # The library asks a value for its class; fields are all lower case.
        if name.startswith("__") or not name.islower():
            raise AttributeError(name)
        return None

    def WhichOneof(self, _: str) -> str | None:
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class Binding(Fields):
    """A parameter of an invocation; its value is always in the field `data`."""

    def WhichOneof(self, _: str) -> str:
        return "data"


class Http(Fields):
    """Headers are a map of text to text in the protocol, so anything else fails on Azure too."""

    def __init__(self, **values: Any) -> None:
        for name, value in (values.get("headers") or {}).items():
            if not isinstance(value, str):
                raise TypeError(f"the header {name} is a {type(value).__name__}")
        super().__init__(**values)


def _enumeration(name: str, members: dict[str, int]) -> type:
    return type(name, (Fields,), members)


# FunctionRpc.proto of https://github.com/Azure/azure-functions-language-worker-protobuf
_PLAIN = (
    *("RpcException", "WorkerInitResponse", "WorkerMetadata", "FunctionMetadataResponse", "RpcFunctionMetadata"),
    *("RpcRetryOptions", "FunctionLoadResponse", "InvocationResponse", "FunctionEnvironmentReloadResponse"),
    *("NullableString", "NullableBool", "NullableDouble", "NullableTimestamp", "Timestamp"),
)
_SAME_SITE = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})
PROTOCOL = SimpleNamespace(
    TypedData=Fields,
    RpcHttp=Http,
    ParameterBinding=Binding,
    StatusResult=_enumeration("StatusResult", {"Failure": 0, "Success": 1, "Cancelled": 2}),
    BindingInfo=_enumeration("BindingInfo", {"in": 0, "out": 1, "inout": 2, "undefined": 0}),
    RpcHttpCookie=type("RpcHttpCookie", (Fields,), {"SameSite": _SAME_SITE}),
    **{name: type(name, (Fields,), {}) for name in _PLAIN},
)


def _message(kind: str, **values: Any) -> SimpleNamespace:
    request = SimpleNamespace(**{kind: Fields(**values)})
    return SimpleNamespace(name=kind, request=request, properties={"host": "127.0.0.1", "protos": PROTOCOL})


class Lines(logging.Handler):
    """What the worker would send to the host's log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


class Worker:
    """The library with one app loaded."""

    def __init__(self) -> None:
        self.log = Lines()
        self.functions: dict[str, tuple[str, list[dict[str, Any]]]] = {}

    async def load(self, app_dir: str) -> None:
        import azure_functions_runtime as runtime  # pyright: ignore[reportMissingImports]

        self.runtime = runtime
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.addHandler(self.log)
        runtime.start_threadpool_executor()
        started = await runtime.worker_init_request(
            _message("worker_init_request", capabilities={}, function_app_directory=app_dir)
        )
        if started.result.status != 1:
            raise RuntimeError(started.result.exception.message)
        listed = await runtime.functions_metadata_request(_message("functions_metadata_request"))
        if listed.result is not None and listed.result.status != 1:
            raise RuntimeError(listed.result.exception.message)
        for found in listed.function_metadata_results or []:
            await runtime.function_load_request(_message("function_load_request", function_id=found.function_id))
            self.functions[found.name] = (found.function_id, [json.loads(one) for one in found.raw_bindings])

    async def invoke(self, name: str, data: Fields, metadata: dict[str, Fields]) -> Fields:
        function_id, bindings = self.functions[name]
        trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
        return await self.runtime.invocation_request(
            _message(
                "invocation_request",
                invocation_id=str(uuid.uuid4()),
                function_id=function_id,
                input_data=[Binding(name=trigger["name"], data=data)],
                trigger_metadata=metadata,
                trace_context=Fields(trace_parent="", trace_state="", attributes={}),
                retry_context=Fields(retry_count=0, max_retry_count=0, exception=None),
            )
        )

    async def call(self, request: dict[str, Any]) -> dict[str, Any]:
        seen = len(self.log.lines)
        response = await self.invoke(request["function"], *_INPUTS[request["do"]](request))
        answer: dict[str, Any] = {"ok": response.result.status == 1, "logs": self.log.lines[seen:]}
        if response.result.exception is not None:
            answer["error"] = f"{response.result.exception.message}\n{response.result.exception.stack_trace or ''}"
        http = response.return_value.http if response.return_value is not None else None
        if http is not None:
            answer["status"] = int(http.status_code)
            answer["headers"] = dict(http.headers)
            answer["body"] = base64.b64encode(_bytes_of(http.body)).decode()
        return answer

    async def bench(self, call: dict[str, Any], times: int) -> dict[str, Any]:
        logging.getLogger().setLevel(logging.WARNING)
        spent: list[float] = []
        for _ in range(times + 20):
            inputs = _INPUTS[call["do"]](call)
            began = time.perf_counter()
            await self.invoke(call["function"], *inputs)
            spent.append((time.perf_counter() - began) * 1000)
        return {"p50_ms": statistics.median(spent[20:])}


def _http(request: dict[str, Any]) -> tuple[Fields, dict[str, Fields]]:
    url = request["url"]
    body = base64.b64decode(request.get("body", ""))
    # The host leaves out empty query parameters, and sends no body rather than an empty one.
    http = Http(
        method=request["method"],
        url=f"http://localhost{url}",
        headers={name.lower(): value for name, value in request.get("headers", {}).items()},
        params=request.get("params", {}),
        query=dict(parse_qsl(urlsplit(url).query)),
        body=Fields(bytes=body) if body else Fields(),
    )
    return Fields(http=http), {}


def _queue(request: dict[str, Any]) -> tuple[Fields, dict[str, Fields]]:
    now = datetime.now(UTC).replace(microsecond=0)

    def moment(ahead: timedelta) -> Fields:
        return Fields(json=json.dumps((now + ahead).isoformat()))

    metadata = {
        "QueueTrigger": Fields(string=request["text"]),
        "Id": Fields(string=str(uuid.uuid4())),
        "DequeueCount": Fields(json=str(request.get("dequeueCount", 1))),
        "PopReceipt": Fields(string="receipt"),
        "InsertionTime": moment(timedelta()),
        "ExpirationTime": moment(timedelta(days=7)),
        "NextVisibleTime": moment(timedelta(minutes=10)),
    }
    return Fields(string=request["text"]), metadata


def _timer(request: dict[str, Any]) -> tuple[Fields, dict[str, Fields]]:
    now = datetime.now(UTC).isoformat()
    status = {"Last": now, "Next": now, "LastUpdated": now}
    past_due = bool(request.get("pastDue"))
    content = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
    return Fields(json=json.dumps(content)), {}


_INPUTS = {"http": _http, "queue": _queue, "timer": _timer}


def _bytes_of(body: Any) -> bytes:
    if body is None:
        return b""
    if body.bytes is not None:
        return body.bytes
    return (body.string or "").encode()


async def _serve(app_dir: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.path.insert(0, app_dir)
    os.chdir(app_dir)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    worker = Worker()
    try:
        await worker.load(app_dir)
    except Exception as error:  # whatever keeps the app from being indexed is what is asked for
        say({"ok": False, "error": f"{type(error).__name__}: {error}"})
        return
    say({"ok": True, "logs": worker.log.lines})
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        match request["do"]:
            case "index":
                found = [{"name": name, "bindings": bindings} for name, (_, bindings) in worker.functions.items()]
                say({"functions": found})
            case "bench":
                say(await worker.bench(request["call"], request["times"]))
            case _:
                say(await worker.call(request))
    worker.runtime.stop_threadpool_executor()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
