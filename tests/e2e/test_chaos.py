"""Small versions of `python3 -m dev chaos`: what breaks loses no execution, and completes none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.azurite import Azurite
from tests.chaos.crashes import crash
from tests.chaos.trouble import away, faulty
from tests.support.accounts import StorageAccount


async def test_on_storage_that_fails_now_and_then_nothing_is_lost_and_nothing_runs_twice(
    azurite: Azurite, storage_account: StorageAccount, tmp_path: Path
):
    trouble = await faulty(azurite, storage_account, tmp_path, executions=100, rate=0.08, seed=1)
    assert not trouble.wrong, trouble
    assert sum(trouble.faults.values()) > 10


async def test_while_storage_is_away_calls_are_refused_and_afterwards_all_goes_on(tmp_path: Path):
    azurite = Azurite(tmp_path / "azurite")
    azurite.start()
    try:
        work = tmp_path / "work"
        work.mkdir()
        trouble = await away(azurite, work, executions=40, seconds=3)
    finally:
        azurite.stop()
    assert not trouble.wrong, trouble


@pytest.mark.timeout(300)
async def test_what_a_killed_worker_ran_is_tried_again_or_ends_as_lost_and_all_else_succeeds(
    storage_account: StorageAccount, tmp_path: Path
):
    crashes = await crash(
        storage_account.connection_string,
        tmp_path,
        instances=2,
        workflows={"work_again": 40, "work_once": 40},
        kills=4,
        seconds=0.5,
        seed=1,
    )
    assert not crashes.wrong, crashes
    assert crashes.kills
