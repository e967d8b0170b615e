"""Timer triggers in the local host."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from tests.e2e.local_host.conftest import SampleMaker
from tests.support.accounts import StorageAccount

CONTAINER = "azure-webjobs-hosts"


class Notes:
    """What the sample's functions wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.path.read_text().splitlines()) if line["name"] == name]

    async def until(self, name: str, count: int, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> None:
        async with asyncio.timeout(40):
            while sum(map(where, self.of(name))) < count:
                await asyncio.sleep(0.05)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes.txt")


@pytest.fixture
def settings(notes: Notes) -> dict[str, str]:
    return {"NOTES": str(notes.path), "EVERY_SECOND": "* * * * * *"}


async def test_timers_keep_their_schedules_whatever_their_functions_do(
    sample: SampleMaker, storage_account: StorageAccount, notes: Notes, settings: dict[str, str]
) -> None:
    async with sample("timer", storage_account.connection_string, **settings) as timer:
        await asyncio.gather(notes.until("tick", 3), notes.until("slow ends", 2), notes.until("failing", 3))
        assert await timer.status("POST", "/admin/functions/hourly", json={"input": ""}) == 202
        await notes.until("hourly", 1)
        log = timer.log
    ticks = notes.of("tick")
    assert not any(tick["past_due"] for tick in ticks)
    assert ticks[0]["schedule"] == {"AdjustForDST": True}
    assert set(ticks[0]["status"]) == {"Last", "Next", "LastUpdated"}
    moments = [datetime.fromisoformat(tick["at"]) for tick in ticks]
    assert all(moment.microsecond < 500_000 for moment in moments[:3])
    assert len({moment.replace(microsecond=0) for moment in moments}) == len(moments)
    # A call that takes longer than its interval is never overlapped, and what it missed is not made up for.
    slow = [line["name"] for line in map(json.loads, notes.path.read_text().splitlines()) if "slow" in line["name"]]
    assert slow[:4] == ["slow begins", "slow ends"] * 2
    assert len(notes.of("at_start")) == 1
    assert "this tick failed" in log
    assert "Function never does not run: 'every now and then' has 4 fields and not six" in log
    assert notes.of("never") == []


async def test_one_call_makes_up_for_all_that_were_missed(
    sample: SampleMaker, storage_account: StorageAccount, notes: Notes, settings: dict[str, str]
) -> None:
    status = "hourly/status"
    with BlobServiceClient.from_connection_string(storage_account.connection_string) as blobs:
        async with sample("timer", storage_account.connection_string, **settings):
            await notes.until("tick", 1)
            assert notes.of("hourly") == []
            (name,) = [
                name for name in blobs.get_container_client(CONTAINER).list_blob_names() if name.endswith(status)
            ]
        # Three hours ago the app was stopped.
        last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
        missed = {"Last": last.isoformat(), "Next": (last + timedelta(hours=1)).isoformat(), "LastUpdated": "then"}
        blobs.get_blob_client(CONTAINER, name).upload_blob(json.dumps(missed), overwrite=True)
        async with sample("timer", storage_account.connection_string, **settings):
            await notes.until("hourly", 1)
            await notes.until("tick", len(notes.of("tick")) + 1)
        (call,) = notes.of("hourly")
        assert call["past_due"] is True
        assert call["status"] == missed
        # And no more at the next start.
        async with sample("timer", storage_account.connection_string, **settings):
            await notes.until("tick", len(notes.of("tick")) + 1)
    assert len(notes.of("hourly")) == 1


async def test_of_two_hosts_one_keeps_the_schedule_and_the_other_takes_over_after_a_crash(
    sample: SampleMaker, storage_account: StorageAccount, notes: Notes, settings: dict[str, str]
) -> None:
    connection = storage_account.connection_string
    async with sample("timer", connection, **settings) as first, sample("timer", connection, **settings):
        await notes.until("tick", 4)
        ticks = notes.of("tick")
        assert len({tick["process"] for tick in ticks}) == 1
        holder = ticks[0]["process"]
        os.kill(first.hosted.process.pid, signal.SIGKILL)
        await notes.until("tick", 2, lambda tick: tick["process"] != holder)
        seconds = [tick["at"][:19] for tick in notes.of("tick")]
        assert len(set(seconds)) == len(seconds)


async def test_a_host_that_ends_gives_its_timers_to_another_at_once(
    sample: SampleMaker, storage_account: StorageAccount, notes: Notes, settings: dict[str, str]
) -> None:
    connection = storage_account.connection_string
    async with sample("timer", connection, **settings):
        await notes.until("tick", 1)
    began = datetime.now(UTC)
    async with sample("timer", connection, **settings):
        await notes.until("tick", 1, lambda tick: datetime.fromisoformat(tick["at"]) > began)
    assert datetime.now(UTC) - began < timedelta(seconds=10)
