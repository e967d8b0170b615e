"""What importing the storage layer costs."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["shared.storage", "shared.repositories.executions.store"])
def test_the_storage_sdks_are_not_imported_before_they_are_needed(module: str) -> None:
    code = f"import sys, {module}; print(*(m for m in sys.modules if m.partition('.')[0] in ('azure', 'aiohttp')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_wrong_connection_string_is_named_without_its_key() -> None:
    code = (
        "import asyncio\n"
        "from shared.storage.azure.clients import AzureStorage\n"
        "async def main():\n"
        "    try: await AzureStorage('AccountKey=hidden').table('Any').get('p', 'k')\n"
        "    except Exception as error: print(type(error).__name__, error, error.__cause__)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SettingsError AzureWebJobsStorage is no storage connection string None"
