"""Timer functions that write down, in a file that outlives the host, when and how they were called."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def note(name: str, **facts: Any) -> None:
    line = {"name": name, "process": os.getpid(), "at": datetime.now(UTC).isoformat(), **facts}
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(json.dumps(line) + "\n")


@app.timer_trigger(arg_name="timer", schedule="%EVERY_SECOND%")
async def tick(timer: func.TimerRequest) -> None:
    note("tick", past_due=timer.past_due, status=timer.schedule_status, schedule=timer.schedule)


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
async def slow(timer: func.TimerRequest) -> None:
    note("slow begins")
    await asyncio.sleep(1.5)
    note("slow ends")


@app.timer_trigger(arg_name="timer", schedule="00:00:01")
async def failing(timer: func.TimerRequest) -> None:
    note("failing")
    raise RuntimeError("this tick failed")


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
async def hourly(timer: func.TimerRequest) -> None:
    note("hourly", past_due=timer.past_due, status=timer.schedule_status)


@app.timer_trigger(arg_name="timer", schedule="0 0 1 1 *", run_on_startup=True)
async def at_start(timer: func.TimerRequest) -> None:
    note("at_start", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="every now and then")
async def never(timer: func.TimerRequest) -> None:
    note("never")
